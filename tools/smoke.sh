#!/bin/sh
# Try the wheel in a venv that has it and its dependencies alone, in an empty environment.
set -eu
bare=$(cd "$1" && pwd)
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT

run() {
    env -i HOME="$home" PATH=/usr/bin:/bin "$bare/bin/bunkerctl" --key-file "$home/key" "$@"
}

for module in click pytest hypothesis; do
    if "$bare/bin/python" -c "import $module" 2>/dev/null; then
        echo "smoke: $module is in the bare venv" >&2
        exit 1
    fi
done
"$bare/bin/python" -m pip check >/dev/null
run --version
run --help >/dev/null
run demo >/dev/null
run init >/dev/null
token=$(echo '{"email":"ann@example.com","phone":"+14155550123"}' | run user add)
test "$(run user get ann@example.com --field email)" = ann@example.com
run exp start +14155550123 --json >/dev/null
printf '[{"op":"add","path":"/age","value":41}]' | run user update "$token" >/dev/null
run user get "$token" -o table >/dev/null
run config set exp.grace 45d >/dev/null
run user forget "$token" --yes >/dev/null
run audit verify >/dev/null
for topic in identities keys config json exit-codes; do
    run help "$topic" >/dev/null
done
run completion bash | cmp - "$bare/share/bash-completion/completions/bunkerctl"
run completion zsh | cmp - "$bare/share/zsh/site-functions/_bunkerctl"
run completion fish | cmp - "$bare/share/fish/vendor_completions.d/bunkerctl.fish"
for page in bunkerctl.1 bunkerctl-exp-sweep.1 bunkerctl.toml.5 bunkerctl-keys.7 bunkerctl-json.7; do
    found=man/man${page##*.}/$page
    test -s "$bare/share/$found" || { echo "smoke: share/$found is missing" >&2; exit 1; }
    if command -v man >/dev/null; then
        PATH=$bare/bin:$PATH man -w "${page##*.}" "${page%.*}" >/dev/null
    fi
done
for schema in "$bare"/share/bunkerctl/schemas/*.json; do
    name=$(basename "$schema" .json)
    run schema $(echo "$name" | tr - ' ') >"$home/schema"
    "$bare/bin/python" - "$home/schema" "$schema" <<'END'
import json, sys
one, other = (json.load(open(name)) for name in sys.argv[1:])
sys.exit(one != other)
END
done
echo "smoke: the wheel works by itself"
