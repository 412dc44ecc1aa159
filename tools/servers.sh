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
# Packages in one line can be installed together, as apt sees it.
UNPACKED="cyrus-imapd cyrus-pop3d sasl2-bin nginx libnginx-mod-mail
courier-imap courier-pop
mailutils-imap4d mailutils-pop3d
popa3d
solid-pop3d
syslog-ng-core"
PROGRAMS="lib/cyrus/bin/imapd lib/cyrus/bin/pop3d sbin/saslpasswd2 sbin/nginx lib/nginx/modules/ngx_mail_module.so
sbin/couriertcpd lib/courier/courier/imaplogin lib/courier/courier/courierpop3d sbin/imap4d sbin/pop3d
sbin/popa3d sbin/solid-pop3d sbin/syslog-ng"
# What they depend on and what these tests do without.
LEFT_OUT='^(exim4.*|lib.*-dev|libgnutls(-.*|xx.*)|gnutls-bin|update-inetd|openbsd-inetd|db.*-util|guile-.*|libclamav.*'
LEFT_OUT="$LEFT_OUT|libmspack.*|gawk|libsigsegv2|libgc1.*)\$"

unpack() {
    folder=$(cd "$(dirname "$0")/.." && pwd)/.venv/servers
    [ "$(cat "$folder/.list" 2>/dev/null)" != "$UNPACKED" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "The tests of these servers need Debian's packages:" $UNPACKED >&2
        [ -z "${CI:-}" ] || exit 1
        return 0
    fi
    echo "Unpacking" $UNPACKED "..."
    [ "$(id -u)" != 0 ] || apt-get update -qq
    rm -rf "$folder.new"
    mkdir -p "$folder.new/debs"
    fetch "$folder.new" || :
    for program in $PROGRAMS; do
        if [ ! -e "$folder.new/usr/$program" ]; then
            echo "$program can't be had: the tests of these servers will be skipped." >&2
            rm -rf "$folder.new"
            [ -z "${CI:-}" ] || exit 1
            return 0
        fi
    done
    rm -rf "$folder"
    mv "$folder.new" "$folder"
    echo "$UNPACKED" >"$folder/.list"
}

fetch() (
    cd "$1/debs"
    echo "$UNPACKED" | while read -r packages; do
        # shellcheck disable=SC2086
        apt-get install -s -y --no-install-recommends $packages | awk '/^Inst/ && $3 !~ /^\[/ {print $2}'
    done | sort -u | grep -Ev "$LEFT_OUT" >../names
    # shellcheck disable=SC2046
    apt-get download -qq $(cat ../names) 2>/dev/null
    for deb in *.deb; do dpkg-deb -x "$deb" ..; done
    cd ..
    [ ! -d lib ] || cp -a lib/. usr/lib/
    rm -rf lib debs
)

case "$1" in
test) unpack; missing=$(needed dovecot dovecot-core pop3-login dovecot-pop3d imap-login dovecot-imapd \
    systemd-analyze systemd tmux tmux sshd openssh-server ssh openssh-client mandoc mandoc git git) ;;
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
