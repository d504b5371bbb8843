"""The tab Figures: the newest comparison and walk, the break-even, and the history of updates."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from lorag.costs.plan import Plan
from lorag.costs.unit_costs import measure
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.timeline_records import Timeline
from lorag.integrations.shown_address import shown_address
from lorag.params import Params
from lorag.params_file import load_params
from lorag.reports.costs_sections import break_even_section, ledger_section
from lorag.reports.page import Section
from lorag.reports.summary_section import summary_section
from lorag.service.page.break_even_view import STEPS, draw_chart
from lorag.service.page.context import PageContext, PageRoute
from lorag.service.page.headers import POLICY, PRIVATE
from lorag.service.page.render import show
from lorag.use_cases.judge.follow_plan import describe_policy, read_followed
from lorag.use_cases.judge.plan_policies import middle_load, plan_for
from lorag.use_cases.judge.read_curves import read_curves
from lorag.use_cases.judge.read_evidence import read_evidence
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.use_cases.judge.read_reports import find_timeline, read_report
from lorag.use_cases.judge.weigh_costs import stored_bytes
from lorag.use_cases.operate.operate import mlflow_address
from lorag.use_cases.operate.operate_servers import running_api
from lorag.use_cases.serve.status import read_status

Drawn = tuple[Section, tuple[str, ...]]
"""A section with its drawings."""

_REPORT_POLICY = {**POLICY, "style-src": "'unsafe-inline'", "script-src": "'none'", "img-src": "data:"}


def figures_router(page: PageContext) -> APIRouter:
    """Return the routes of the tab."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    @router.get("/figures")
    def figures(request: Request) -> Response:
        comparison, timeline = _comparison(page), find_timeline(page.workspace)
        summary = summary_section(comparison, {}, {}) if comparison else None
        return show(
            request,
            "figures.html.jinja",
            tab="figures",
            title="Figures",
            summary=summary,
            limit=_limit(page),
            timeline=timeline,
            has_report=page.workspace.comparison_page.is_file(),
            links=_links(page),
        )

    @router.get("/figures/quality")
    def quality(request: Request) -> Response:
        path = page.workspace.reports / "comparison.json"
        return _show(request, "Quality", _draw_once(_draw_quality, path))

    @router.get("/figures/freshness")
    def freshness(request: Request) -> Response:
        timeline = find_timeline(page.workspace)
        return _show(request, "Freshness", _draw_timeline(timeline) if timeline else ())

    @router.get("/figures/policies")
    def policies(request: Request) -> Response:
        params = load_params(page.workspace.params_file)
        status, plan = read_status(page.workspace, params), _plan(page, params)
        return show(
            request,
            "policies.html.jinja",
            tab="figures",
            title="Policies",
            policy=describe_policy(params),
            followed=read_followed(page.workspace),
            adapters={kind: state.due for kind, state in status.adapters.items()},
            sections=_draw_plan(plan) if plan else (),
        )

    @router.get("/figures/costs")
    def costs(
        request: Request,
        updates: Annotated[int, Query(ge=0, le=STEPS)] = STEPS // 2,
        queries: Annotated[int, Query(ge=0, le=STEPS)] = STEPS // 2,
    ) -> Response:
        params = load_params(page.workspace.params_file)
        evidence = read_evidence(page.workspace, params, read_ledger(page.workspace, params, page.environment))
        found = evidence.break_even
        section = break_even_section(found, draws=False) if found else Section("Break-even")
        chart = draw_chart(found, params.break_even, updates, queries) if found else None
        history = ledger_section(evidence.ledger)
        values: dict[str, Any] = {
            "section": section,
            "chart": chart,
            "history": history,
            "n_entries": len(evidence.ledger.entries),
        }
        return show(request, "costs.html.jinja", tab="figures", title="Costs", **values)

    @router.get("/figures/report")
    def report() -> Response:
        path = page.workspace.comparison_page
        if not path.is_file():
            raise HTTPException(404, "there is no report yet: run `lorag compare`")
        policy = "; ".join(f"{name} {value}" for name, value in _REPORT_POLICY.items())
        content = path.read_text(encoding="utf-8", errors="replace")
        return HTMLResponse(content, headers={**PRIVATE, "Content-Security-Policy": policy})

    return router


def _show(request: Request, title: str, sections: Sequence[Drawn]) -> Response:
    return show(request, "sections_part.html.jinja", tab="figures", title=title, sections=sections)


def _comparison(page: PageContext) -> Comparison | None:
    return read_report(page.workspace.reports / "comparison.json", Comparison.from_json)


def _limit(page: PageContext) -> int | None:
    """Return how many facts the last comparison asked at most; None if it asked all, or if there is none."""
    last = read_report(page.workspace.last_comparison, dict)
    return last.get("limit") if last else None


def _draw_once(draw: Callable[[Path], tuple[Drawn, ...]], path: Path) -> tuple[Drawn, ...]:
    """Return what is drawn of a file, which is drawn again only after it changed."""
    return _drawn(draw, path, path.stat().st_mtime_ns) if path.is_file() else ()


@lru_cache(maxsize=8)
def _drawn(draw: Callable[[Path], tuple[Drawn, ...]], path: Path, mtime_ns: int) -> tuple[Drawn, ...]:
    return draw(path)


def _draw_quality(path: Path) -> tuple[Drawn, ...]:
    comparison = read_report(path, Comparison.from_json)
    if comparison is None:
        return ()
    # Matplotlib takes half a second to import, and no other tab needs it.
    from lorag.reports.comparison_sections import quality_section, strata_section
    from lorag.reports.drawing import draw_svg

    found = [quality_section(comparison, []), strata_section(comparison)]
    return tuple((section, tuple(map(draw_svg, section.figures))) for section in found if section)


def _draw_timeline(timeline: Timeline) -> tuple[Drawn, ...]:
    from lorag.reports.drawing import draw_svg
    from lorag.reports.timeline_section import timeline_section

    section = timeline_section(timeline)
    folded = [replace(table, folded=True) for table in section.tables]
    return ((replace(section, tables=folded), tuple(map(draw_svg, section.figures))),)


def _plan(page: PageContext, params: Params) -> Plan | None:
    """Return the plan for the load of the followed one, else for that of the chart's middle; None without a walk."""
    followed = read_followed(page.workspace)
    demand = followed.demand if followed else middle_load(params)
    curves = read_curves(page.workspace, params)
    ledger = read_ledger(page.workspace, params, page.environment).on_newest_machine()
    measured = measure(ledger, stored_bytes(page.workspace, params))
    return plan_for(demand, measured, curves, params) if curves else None


def _draw_plan(plan: Plan) -> tuple[Drawn, ...]:
    from lorag.reports.drawing import draw_svg
    from lorag.reports.plan_section import plan_section

    section = plan_section(plan)
    return ((section, tuple(map(draw_svg, section.figures))),)


def _links(page: PageContext) -> list[tuple[str, str]]:
    """Return the addresses of MLflow and Prefect, of those that run."""
    prefect = page.environment.get("PREFECT_API_URL", "").strip() or running_api(page.workspace)
    found = [("MLflow", mlflow_address(page.workspace, page.environment)), ("Prefect", shown_address(prefect or ""))]
    return [(name, address.removesuffix("/api")) for name, address in found if address and address.startswith("http")]
