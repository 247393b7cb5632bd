#!/usr/bin/env bash
# Debian packages of the slow tests: a browser. Does nothing where they are there already.
set -euo pipefail
needed=(chromium chromium-driver)
missing=()
for package in "${needed[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
sudo=""; [ "$(id -u)" -eq 0 ] || sudo="sudo"
$sudo apt-get update --quiet --quiet
DEBIAN_FRONTEND=noninteractive $sudo apt-get install --yes --quiet --no-install-recommends "${missing[@]}"
