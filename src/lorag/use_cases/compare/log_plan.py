"""The plan in the MLflow run of a comparison or a walk."""

from lorag.costs.plan import Plan
from lorag.integrations.mlflow.tracking import Run
from lorag.reports.plan_plot import plot_plan


def log_plan(run: Run, plan: Plan | None) -> None:
    """Log the policies with their frontier as `plan.json` and `plots/plan.png`, the choice as tags and its figures.

    Nothing is logged without a plan, or if no policy's cost and quality were measured. Raises StoreFailed.
    """
    if plan is None or not any(option.is_known for option in plan.choice.options):
        return
    taken = plan.choice.taken
    run.set_tags({"lorag.policy": taken.policy.name if taken else "none", "lorag.policy_load": plan.demand.load})
    if taken and taken.cost_a_day and taken.accuracy:
        run.log_metrics({"plan.cost_a_day": taken.cost_a_day.median, "plan.accuracy": taken.accuracy.value})
    run.log_json(plan.to_json(), "plan.json")
    run.log_figure(plot_plan(plan), "plots/plan.png")
