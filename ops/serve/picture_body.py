"""A picture as the body of a request: a field of a form, or the bytes themselves."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile

from ops.serve.problems import ProblemError

PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


async def read_picture_body(request: Request) -> bytes:
    """Return the bytes of the multipart field ``file``, or of the body itself."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        data = await request.body()
    else:
        async with request.form(max_files=1, max_fields=4) as form:
            field = form.get("file")
            if not isinstance(field, UploadFile):
                raise ProblemError(422, "send the picture as the multipart field `file`, or as the body itself")
            data = await field.read()
    if not data:
        raise ProblemError(422, "the picture is empty")
    return data
