# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: credential
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Read credentials from the truth
description:
  - Returns the user name, password and token of credentials, as M(genai.comfyui.sync) wants them.
  - Reads only. A credential is made with M(genai.comfyui.credential), never by looking it up.
  - Each call reads and decrypts the credential store once, however many names it is given.
  - The result holds secrets. Use it where O(ignore:no_log) protects it, and do not keep it in a cached fact.
options:
  _terms:
    description:
      - Names of the credentials.
      - With O(as_dict=true) it may be left out; all credentials are returned then.
    type: list
    elements: str
  store:
    description:
      - "Where the credentials are, such as C({type: vault_file, path: /some/where/credentials.vault.yml})."
      - The default is the variable C(comfyui_credential_store).
    type: dict
  planned:
    description:
      - Where the store or the name does not exist yet, return an entry without values that says C(planned=true),
        instead of an error. For the check mode of a first run.
      - A store that is there but cannot be read is an error all the same.
    type: bool
    default: false
  as_dict:
    description: Return one dictionary, from name to credential, instead of a list.
    type: bool
    default: false
seealso:
  - module: genai.comfyui.credential
"""

EXAMPLES = r"""
- name: Bring this host's consumers in line
  genai.comfyui.sync:
    consumers: "{{ comfyui_consumers }}"
    credentials: "{{ lookup('genai.comfyui.credential', 'main', 'team-a', as_dict=true) }}"

- name: Use one token
  ansible.builtin.uri:
    url: http://127.0.0.1:8188/queue
    headers:
      Authorization: "Bearer {{ lookup('genai.comfyui.credential', 'main').token }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description:
    - One dictionary a name, in the order of the names; with O(as_dict=true) one dictionary from name to these.
  type: list
  elements: dict
  contains:
    username:
      description: The user name; empty where the credential is only planned.
      type: str
    password:
      description: The password; null where people own it or the credential is only planned.
      type: str
    token:
      description: The token, which is the bcrypt hash; null where the credential is only planned.
      type: str
    version:
      description: The version in force, such as V(v7).
      type: str
    made:
      description: When this version was made, in UTC.
      type: str
    pending:
      description:
        - C(token) and C(version) of the version to come; only while a rotation runs.
        - With C(password) where the rotation changes the password; null where the truth does not keep it.
      type: dict
    previous:
      description:
        - C(token) and C(version) of the version before, as pending has them; only as long as it is still accepted.
        - While a rotation is aborted, the version that is withdrawn, so that whoever holds it goes back.
      type: dict
    distribute:
      description:
        - Which of them every consumer but a server's own file should hold now, V(current) or V(pending).
        - Null is the current one, but what holds the pending one already keeps it.
      type: str
    serve:
      description: Which of them a server's own file should hold now, as C(distribute) has it.
      type: str
    accept:
      description:
        - What a guard should accept now, C(version), C(token) and C(expires) (whole seconds since 1970, or null).
        - The first is the one that the server's own file should hold.
      type: list
      elements: dict
    epoch:
      description: Browser sessions issued before this moment do not count; whole seconds since 1970.
      type: int
    retired:
      description: C(version), C(fingerprint) and C(retired) (time) of former versions.
      type: list
      elements: dict
    planned:
      description: True where the credential does not exist yet; otherwise not there.
      type: bool
"""

from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._ansible import store_context, store_spec, unexpected
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import StoreError, open_store, read_or_new
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_form import plain


class LookupModule(LookupBase):  # type: ignore[misc]
    """See DOCUMENTATION."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """Return one view a term. :raises AnsibleLookupError: with a text that holds no secret."""
        self.set_options(var_options=variables, direct=kwargs)
        as_dict: bool = self.get_option("as_dict")
        planned: bool = self.get_option("planned")
        names = plain(list(terms))
        if not names and not as_dict:
            raise AnsibleLookupError("name at least one credential, or ask for all with as_dict=true")
        try:
            spec = store_spec(self.get_option("store"), variables or {}, self._templar)
            store = open_store(spec, store_context(self._loader))
            document, _etag = read_or_new(store, create=planned)
            views = []
            for name in names or sorted(document["credentials"]):
                if planned and _truth.check_name(name) not in document["credentials"]:
                    views.append(_truth.view_planned())
                else:
                    views.append(_truth.view(document, name))
        except StoreError as error:
            raise AnsibleLookupError(str(error)) from None
        except _truth.TruthError as error:
            raise AnsibleLookupError(f"{store.where}: {error}") from None
        except AnsibleError:
            raise
        except Exception as error:
            raise AnsibleLookupError(unexpected(error)) from None
        if as_dict:
            return [dict(zip(names or sorted(document["credentials"]), views))]
        return views
