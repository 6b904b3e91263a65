#!/bin/sh
# Before the server starts: tables, and a demo CA with a server certificate where there is none yet.
# NHJC_SERVER_NAMES: further names of the server certificate, separated by commas.
set -eu
nhjcctl -c /etc/nhjc/nhjcd.conf db migrate
nhjcctl -c /etc/nhjc/nhjcd.conf pki init
[ -e /var/lib/nhjc/pki/nhjc.pem ] ||
    nhjcctl -c /etc/nhjc/nhjcd.conf pki issue --server "nhjc${NHJC_SERVER_NAMES:+,$NHJC_SERVER_NAMES}" --out /var/lib/nhjc/pki
