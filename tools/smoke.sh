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
for file in man/man1/bunkerctl.1 man/man7/bunkerctl-keys.7 bash-completion/completions/bunkerctl \
    zsh/site-functions/_bunkerctl fish/vendor_completions.d/bunkerctl.fish; do
    test -s "$bare/share/$file" || { echo "smoke: share/$file is missing" >&2; exit 1; }
done
echo "smoke: the wheel works by itself"
