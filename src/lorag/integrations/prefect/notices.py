"""The message that a Prefect server sends when a flow run of a workspace fails."""

import logging

from lorag.errors import ParamsError
from lorag.integrations.prefect.server import connect_server

BODY = """{{ flow.name }} ended as {{ flow_run.state.name }}: {{ flow_run.state.message }}

{{ flow_run|ui_url }}
"""


def notify_of_failures(workspace: str, url: str | None, api: str) -> bool:
    """Store `url`, an Apprise address, in a notification block, and use it for failed and crashed runs.

    The server stores it encrypted and shows it to nobody. Without a URL an existing notice is removed. A gate that
    refused is a failure too, and the message names its probes. The result says whether there are notices now. Raises
    ParamsError if `url` is not an Apprise address.
    """
    name = f"{workspace}: a run failed"
    if url is not None:
        _refuse_unusable(url)
    with connect_server(api) as client:
        for old in client.read_automations_by_name(name):
            client.delete_automation(old.id)
        if url is None:
            return False
        from prefect.blocks.notifications import SlackWebhook
        from prefect.events.actions import SendNotification
        from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
        from pydantic import SecretStr

        # Of the blocks that an open-source server can open, this one passes any other address to Apprise unchanged.
        block = SlackWebhook(url=SecretStr(url), notify_type="failure")
        block_id = block.save(_slug(workspace), overwrite=True)
        trigger = EventTrigger(
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.role": "deployment", "prefect.resource.name": workspace},
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"},
            posture=Posture.Reactive,
            threshold=1,
        )
        action = SendNotification(block_document_id=block_id, subject=name, body=BODY)
        client.create_automation(AutomationCore(name=name, trigger=trigger, actions=[action]))
    return True


def _refuse_unusable(url: str) -> None:
    from apprise import Apprise

    # It would print what it cannot read, and that is a secret.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    if not Apprise().add(url):
        raise ParamsError(
            "not an Apprise address", where="LORAG_NOTIFY_URL", do="write for example mailto://..., or unset it"
        )


def _slug(workspace: str) -> str:
    return f"lorag-{''.join(c if c.isalnum() else '-' for c in workspace.lower())}"
