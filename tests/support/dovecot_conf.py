"""Dovecot's configuration for tests, in the languages of 2.3 and of 2.4.

2.4 renamed settings and wants its version in the first lines:
https://doc.dovecot.org/2.4.1/installation/upgrade/2.3-to-2.4.html
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_ALIKE = """
protocols = imap pop3
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
ssl = {ssl}
auth_mechanisms = plain login
auth_failure_delay = 0
mail_fsync = never
mail_max_lock_timeout = 1s
first_valid_uid = 1
mail_max_userip_connections = 100
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  {many_clients}
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  process_min_avail = 1
  {many_clients}
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  # Wrong passwords do not slow down later logins.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service auth {{
  unix_listener auth-userdb {{
    mode = 0600
  }}
}}
{extra}
"""

_V23 = """
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
ssl_dh =
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/accounts/%u
}}
userdb {{
  driver = passwd-file
  args = {folder}/accounts/%u
  default_fields = uid={mail} gid={mail_group} home={folder}/home/%u
}}
"""

_V24 = """
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
ssl_server_cert_file = {folder}/cert.pem
ssl_server_key_file = {folder}/key.pem
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = {folder}/mail/%{{user}}
passdb passwd-file {{
  default_password_scheme = PLAIN
  passwd_file_path = {folder}/accounts/%{{user}}
}}
userdb passwd-file {{
  passwd_file_path = {folder}/accounts/%{{user}}
  fields {{
    uid:default = {mail}
    gid:default = {mail_group}
    home:default = {folder}/home/%{{user}}
  }}
}}
"""

_OAUTH_23 = """
auth_mechanisms = {mechanism}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
"""

_OAUTH_23_VALIDATION = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = sub
"""

_OAUTH_24 = """
auth_mechanisms = {mechanism}
oauth2 {{
  introspection_mode = local
  username_attribute = sub
  oauth2_local_validation {{
    dict fs {{
      fs posix {{
        prefix = {folder}/keys/
      }}
    }}
  }}
}}
passdb oauth2 {{
  mechanisms_filter = xoauth2 oauthbearer
}}
"""


_SHARED_23 = """
mail_plugins = acl
protocol imap {{
  mail_plugins = acl imap_acl
}}
namespace inbox {{
  separator = /
}}
namespace others {{
  type = shared
  prefix = shared/%%u/
  separator = /
  location = maildir:{folder}/mail/%%u
  subscriptions = no
  list = children
}}
plugin {{
  acl = vfile
  acl_shared_dict = file:{folder}/home/shared-mailboxes
}}
"""

_SHARED_24 = """
mail_plugins {{
  acl = yes
}}
protocol imap {{
  mail_plugins {{
    imap_acl = yes
  }}
}}
namespace inbox {{
  separator = /
}}
namespace others {{
  type = shared
  prefix = shared/$user/
  separator = /
  mail_driver = maildir
  mail_path = {folder}/mail/%{{owner_user}}
  subscriptions = no
  list = children
}}
acl_driver = vfile
acl_sharing_map {{
  dict file {{
    path = {folder}/home/shared-mailboxes
  }}
}}
"""


def version(binary: str) -> tuple[int, int]:
    """The major and minor version of a Dovecot: (2, 3) or (2, 4)."""
    said = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, check=True, timeout=20
    ).stdout
    major, minor = said.split(".")[:2]
    return int(major), int(minor)


def configuration(dovecot: tuple[int, int], extra: str, **values: object) -> str:
    """The whole file for a version of Dovecot; `extra` comes last and is in that version's own language."""
    new = dovecot >= (2, 4)
    values["many_clients"] = "restart_request_count = unlimited" if new else "service_count = 0"
    return ((_V24 if new else _V23) + _ALIKE).format(extra=extra, **values)


def oauth(dovecot: tuple[int, int], folder: Path, mechanism: str) -> str:
    """The lines that accept tokens signed with the keys in `folder/keys`, and no passwords.

    Settings that a version keeps in a file of its own are written to `folder`.
    """
    if dovecot >= (2, 4):
        return _OAUTH_24.format(folder=folder, mechanism=mechanism)
    (folder / "oauth2.conf").write_text(_OAUTH_23_VALIDATION.format(folder=folder))
    return _OAUTH_23.format(folder=folder, mechanism=mechanism)


def shared(dovecot: tuple[int, int], folder: Path) -> str:
    """The lines that let people share their folders with others (SETACL): `shared/NAME/FOLDER`."""
    return (_SHARED_24 if dovecot >= (2, 4) else _SHARED_23).format(folder=folder)
