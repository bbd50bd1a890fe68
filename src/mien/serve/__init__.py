"""The service: a REST API and web pages over the same pipeline as the command line."""

from __future__ import annotations

from typing import Any

from mien.registry import Registry

PARTS: Registry[Any] = Registry(
    "part",
    {"the service": "mien.serve.app:serve", "the keys": "mien.serve.auth:KeyStore"},
    {"the service": "serve", "the keys": "serve"},
)
"""What the command line uses of the service; loading it says which packages are missing."""
