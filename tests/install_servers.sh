#!/usr/bin/env bash
# Installs the servers, the browser and the cross compiler for the bridge's firmware that the tests
# use, where they are missing (Debian, Raspberry Pi OS). Their services are not started: each test starts its own, on loopback, on a free port.
set -euo pipefail
declare -A package=(
  [mosquitto]=mosquitto [influxd]=influxdb [victoria-metrics]=victoria-metrics
  [chromium]=chromium [chromedriver]=chromium-driver
  [openssl]=openssl [g++]=g++ [avr-g++]=gcc-avr [simavr]=simavr
)
PATH=$PATH:/usr/sbin:/sbin
missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null 2>&1 || missing+=("${package[$program]}")
done
[ -d /usr/share/arduino/hardware/arduino/avr/cores ] || missing+=(avr-libc arduino-core-avr)
fc-list ':lang=zh' 2>/dev/null | grep -q . || missing+=(fonts-noto-cjk fontconfig)
command -v postgres >/dev/null 2>&1 || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
  echo "These are missing, and apt-get is not here to install them: ${missing[*]}" >&2
  exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || { echo "As root, please: apt-get install ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "Installing for the tests: ${missing[*]}" >&2
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
  "${sudo[@]}" chmod +x $policy
  made_policy=yes
fi
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
[ -n "$made_policy" ] && "${sudo[@]}" rm -f $policy
exit 0
