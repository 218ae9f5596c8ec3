"""What the API tells Prometheus, and to whom."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from codeai.metrics import CONSTANT, METRICS
from codeai.settings import MetricsSettings
from codeai.stack.postgres import free_port
from codeai.workflows.contracts.kinds import KINDS
from tests.api.conftest import Served, bearer, serving
from tests.api.test_edge import problem


def figures(text: str, name: str, **labels: str) -> list[float]:
    """The samples of that name that have these labels."""
    return [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


async def told(client: httpx2.AsyncClient) -> str:
    answer = await client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith(
        "text/plain; version=0.0.4"
    )
    return answer.text


async def test_requests_are_counted_by_their_route(admin: httpx2.AsyncClient) -> None:
    of = {"method": "GET", "path": "/configs/{id}", "status_code": "404"}
    before = sum(figures(await told(admin), "codeai_http_requests_total", **of))
    for _ in range(3):
        problem(await admin.get(f"/configs/{uuid.uuid4()}"), "not_found")
    text = await told(admin)
    assert sum(figures(text, "codeai_http_requests_total", **of)) == before + 3
    route = {"method": "GET", "path": "/configs/{id}"}
    assert figures(text, "codeai_http_request_duration_seconds_count", **route)[0] >= 3
    assert figures(text, "codeai_http_response_size_bytes_sum", **route)[0] > 3 * 100
    assert figures(text, "codeai_http_active_requests", method="GET", path="/metrics") == [1]


async def test_paths_that_nobody_knows_are_one(admin: httpx2.AsyncClient) -> None:
    for path in ("/wp-login.php", f"/{uuid.uuid4()}", "/configs/a/b/c/d"):
        await admin.get(path)
    await admin.request("BREW", "/configs")
    text = await told(admin)
    paths = {
        sample.labels["path"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "codeai_http_requests_total"
    }
    assert "unmatched" in paths and not any("wp-login" in path or "a/b/c" in path for path in paths)


async def test_statements_are_counted_by_their_table(admin: httpx2.AsyncClient) -> None:
    of = {"operation": "select", "table": "configs", "status": "success"}
    await admin.get("/configs")
    earlier = await told(admin)
    await admin.get("/configs")
    text = await told(admin)
    assert sum(figures(text, "codeai_db_queries_total", **of)) > sum(
        figures(earlier, "codeai_db_queries_total", **of)
    )
    assert figures(text, "codeai_db_query_duration_seconds_count", operation="select", table="configs")
    # What listens keeps its connection; a request gives its own back.
    assert figures(text, "codeai_db_connections_active") == figures(earlier, "codeai_db_connections_active")


async def test_running_workflows_are_counted_by_temporal(admin: httpx2.AsyncClient) -> None:
    until = time.monotonic() + 30
    while len(found := figures(await told(admin), "codeai_workflow_active_count")) < len(KINDS):
        assert time.monotonic() < until, found
        await asyncio.sleep(0.1)


async def test_every_metric_has_the_constant_labels_and_temporal_s_stand_beside(
    admin: httpx2.AsyncClient,
) -> None:
    await admin.get("/configs")
    families = list(text_string_to_metric_families(await told(admin)))
    ours = [sample for family in families for sample in family.samples if family.name.startswith("codeai_")]
    assert ours and all(set(CONSTANT) <= sample.labels.keys() for sample in ours)
    assert all(sample.labels["version"] and sample.labels["environment"] for sample in ours)
    names = {family.name for family in families}
    assert {name.removesuffix("_total") for name in METRICS} <= names
    assert any(name.startswith("temporal_") for name in names)


async def test_who_may_read_them(served: Served) -> None:
    async with served.client() as nobody, served.client("viewer") as viewer, served.client("admin") as admin:
        problem(await nobody.get("/metrics"), "unauthenticated")
        problem(await viewer.get("/metrics"), "forbidden")
        assert (await admin.get("/metrics")).status_code == 200


async def test_a_scrape_token_and_an_open_door(served: Served) -> None:
    scraped, admin = MetricsSettings(token="scrape me"), bearer("admin")
    for metrics, header, expected in (
        (scraped, {"Authorization": "Bearer scrape me"}, 200),
        (scraped, {"Authorization": "Bearer scrape you"}, 401),
        (scraped, {}, 401),
        (scraped, admin, 200),
        (MetricsSettings(open=True), {}, 200),
    ):
        server = replace(served.settings.server, port=free_port())
        async with (
            serving(replace(served.settings, server=server, metrics=metrics)),
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
        ):
            assert (await client.get("/metrics", headers=header)).status_code == expected, (metrics, header)
            # The scrape token opens nothing else.
            other = await client.get("/configs", headers=header)
            assert other.status_code == (200 if header is admin else 401)
