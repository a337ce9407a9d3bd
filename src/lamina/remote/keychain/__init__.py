"""Credentials for registries: where Docker and containers/* keep them, read and written."""

from lamina.remote.keychain.credential import Credential
from lamina.remote.keychain.keychain import Keychain
from lamina.remote.keychain.names import normal, server
from lamina.remote.keychain.places import Place, Places

__all__ = ["Credential", "Keychain", "Place", "Places", "normal", "server"]
