"""What Temporal keeps of workflows, to be searched."""

from __future__ import annotations

import asyncio
import base64
import re

from temporalio.client import Client

from tests.platform import Platform


def histories(stack: Platform, *ids: str) -> str:
    """What Temporal keeps of workflows, with their payloads decoded."""

    async def fetched() -> str:
        client = await Client.connect(f"127.0.0.1:{stack.temporal}")
        kept = [await client.get_workflow_handle(id).fetch_history() for id in ids]
        payloads = re.findall(r'"data": ?"([A-Za-z0-9+/=]+)"', "".join(one.to_json() for one in kept))
        return "\n".join(base64.b64decode(one).decode("utf-8", "replace") for one in payloads)

    return asyncio.run(fetched())
