#!/bin/sh
# Installs the real servers and peers that tests or benchmarks start: servers.sh test|soak|bench
set -eu

needed() {
    while [ $# -gt 0 ]; do
        command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/usr/lib/dovecot/$1" ] || echo "$2"
        shift 2
    done
}

case "$1" in
test) missing=$(needed dovecot dovecot-core pop3-login dovecot-pop3d imap-login dovecot-imapd \
    systemd-analyze systemd tmux tmux sshd openssh-server ssh openssh-client) ;;
soak)
    sh "$0" test
    missing=$(needed debootstrap debootstrap)
    ;;
bench) missing=$(needed dovecot dovecot-core pop3-login dovecot-pop3d imap-login dovecot-imapd \
    notmuch notmuch mu maildir-utils mbsync isync getmail getmail6) ;;
*) echo "servers.sh test|soak|bench" >&2; exit 2 ;;
esac
[ -n "$missing" ] || exit 0

# shellcheck disable=SC2086
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing" $missing "..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "These are missing:" $missing >&2
    echo "Install them with: sudo apt-get install --no-install-recommends" $missing >&2
    if [ -n "${CI:-}" ]; then exit 1; fi
    echo "The tests that need them will be skipped." >&2
fi
