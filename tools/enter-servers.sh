#!/bin/sh
# What runs servers that are unpacked and not installed: enter-servers.sh UNPACKED STATE COMMAND [WORD ...]
#
# To be run in a mount namespace of its own, as root. The command sees this machine's programs and those that
# are unpacked, users and settings of STATE/etc, and STATE itself as /state. Nothing outlives the namespace.
set -eu
unpacked=$1 state=$2
shift 2
root=$state/root
# Where / is no mount of its own, as in a chroot, whoever made that has seen to it.
mount --make-rprivate / 2>/dev/null || :
mkdir -p "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir usr etc var run tmp dev proc state
for name in bin sbin lib lib64; do [ ! -L "/$name" ] || cp -P "/$name" "$name"; done
mount -t overlay overlay -o "lowerdir=$unpacked/usr:/usr" usr
cp -a "$unpacked/var/." var/
cp -a "$unpacked/etc/." etc/
for name in ld.so.conf ld.so.conf.d nsswitch.conf pam.d pam.conf security services protocols ssl; do
    [ ! -e "/etc/$name" ] || cp -an "/etc/$name" etc/ 2>/dev/null || cp -a --update=none "/etc/$name" etc/
done
cp -a "$state/etc/." etc/
mkdir -p var/log var/lib var/spool var/empty
rm -rf var/mail var/run
ln -s /state/mail var/mail
ln -s /run var/run
chmod 1777 tmp
mount --bind "$state" state
mount --rbind /dev dev
mount -t proc proc proc
exec chroot "$root" "$@"
