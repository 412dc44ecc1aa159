#!/bin/sh
# Installs the real servers and peers that tests or benchmarks start: servers.sh test|soak|bench
set -eu

needed() {
    while [ $# -gt 0 ]; do
        command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/usr/lib/dovecot/$1" ] || echo "$2"
        shift 2
    done
}

# Servers that would shut out each other, or Dovecot, as packages: they are unpacked into a folder, where no
# daemon of theirs is started and no user is made. tests/support/real_servers.py runs them from there.
UNPACKED="cyrus-imapd cyrus-pop3d sasl2-bin courier-imap courier-pop mailutils-imap4d mailutils-pop3d popa3d \
    solid-pop3d nginx libnginx-mod-mail"
LEFT_OUT='^(exim4.*|lib.*-dev|libgnutls(-.*|xx.*)|gnutls-bin|update-inetd|openbsd-inetd|db.*-util)$'

unpack() {
    folder=$(cd "$(dirname "$0")/.." && pwd)/.venv/servers
    [ "$(cat "$folder/.list" 2>/dev/null)" != "$UNPACKED" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "The tests of these servers need Debian's packages: $UNPACKED" >&2
        [ -z "${CI:-}" ] || exit 1
        return 0
    fi
    echo "Unpacking" $UNPACKED "..."
    [ "$(id -u)" != 0 ] || apt-get update -qq
    rm -rf "$folder.new" && mkdir -p "$folder.new/debs"
    (
        cd "$folder.new/debs"
        for package in $UNPACKED; do
            apt-get install -s -y --no-install-recommends "$package" | awk '/^Inst/ && $3 !~ /^\[/ {print $2}'
        done | sort -u | grep -Ev "$LEFT_OUT" >../names
        # shellcheck disable=SC2046
        apt-get download -qq $(cat ../names) 2>/dev/null
        for deb in *.deb; do dpkg-deb -x "$deb" ..; done
    ) || { echo "They can't be had: their tests will be skipped." >&2; [ -z "${CI:-}" ] || exit 1; return 0; }
    cd "$folder.new"
    [ ! -d lib ] || { cp -a lib/. usr/lib/; rm -rf lib; }
    rm -rf debs
    echo "$UNPACKED" >.list
    cd .. && rm -rf "$folder" && mv "$folder.new" "$folder"
}

case "$1" in
test) unpack; missing=$(needed dovecot dovecot-core pop3-login dovecot-pop3d imap-login dovecot-imapd \
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
