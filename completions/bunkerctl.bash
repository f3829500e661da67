# Made by `make docs` from the command table; do not edit.
_bunkerctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local path= word words= skip= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $skip ]]; then skip=; continue; fi
        case $word in
            --action|--actor|--after|--against|--before|--color|--config|--confirm|--created-before|--data|--encrypt-to|--expstatus|--field|--fields|--for|--format|--if-version|--in|--keep|--key|--key-command|--key-fd|--key-file|--keyring-timeout|--ledger|--limit|--lock-wait|--max-age|--max-deletes|--on|--on-conflict|--out|--output|--reason|--receipts|--recovery-file|--ref|--rejects|--since|--until|--updated-before|--vault|--within|-o) skip=1 ;;
            -*) ;;
            *) case " $path $word" in
                '  init'|'  status'|'  user'|'  exp'|'  export'|'  audit'|'  erasure'|'  backup'|'  key'|'  unlock'|'  lock'|'  report'|'  doctor'|'  destroy'|'  config'|'  demo'|' user add'|' user get'|' user update'|' user list'|' user forget'|' user import'|' user hold'|' user release'|' exp start'|' exp status'|' exp cancel'|' exp retain'|' exp delete'|' exp list'|' exp sweep'|' export verify'|' audit list'|' audit show'|' audit head'|' audit checkpoint'|' audit key'|' audit verify'|' audit export'|' audit prune'|' erasure show'|' erasure list'|' erasure verify'|' backup create'|' backup list'|' backup verify'|' backup restore'|' backup prune'|' key status'|' key test'|' key enroll'|' key rotate'|' key recovery'|' key restore'|' key recovery create'|' key recovery verify'|' config show'|' config get'|' config set'|' config path') path="${path:+$path }$word" ;;
            esac ;;
        esac
    done
    COMPREPLY=()
    for word in "$path $prev" "$prev"; do
        case $word in
            '--vault') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            '--config') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            '-o') words="table plain json jsonl csv" ;;
            '--output') words="table plain json jsonl csv" ;;
            '--key-file') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            '--color') words="auto always never" ;;
            'init --recovery-file') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'user add --data') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'user update --data') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'user list --expstatus') words="none wait retain expired" ;;
            'user import --format') words="jsonl" ;;
            'user import --on-conflict') words="error skip update" ;;
            'user import --rejects') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'exp sweep --receipts') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'export --format') words="json zip html csv" ;;
            'export --out') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'audit list --action') words="vault.init user.add user.get user.update user.list user.forget user.import user.hold user.release exp.start exp.status exp.list exp.retain exp.delete exp.cancel exp.sweep exp.erase export.user export.all audit.prune backup.create backup.prune backup.restore key.enroll key.recovery key.restore key.rotate key.unlock vault.destroy" ;;
            'audit verify --against') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'audit export --out') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'backup verify --recovery-file') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'backup restore --recovery-file') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'backup restore --ledger') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'backup restore --against') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'key rotate --recovery-file') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'key recovery create --recovery-file') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'key recovery verify --recovery-file') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'key restore --recovery-file') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
            'report --out') compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
        esac
        [[ $words ]] && break
    done
    if [[ -z $words && $skip ]]; then return; fi
    if [[ -z $words ]]; then
        case $path in
            '') words="init status user exp export audit erasure backup key unlock lock report doctor destroy config demo" ;;
            'user') words="add get update list forget import hold release" ;;
            'exp') words="start status cancel retain delete list sweep" ;;
            'export') words="verify" ;;
            'audit') words="list show head checkpoint key verify export prune" ;;
            'erasure') words="show list verify" ;;
            'backup') words="create list verify restore prune" ;;
            'key') words="status test enroll rotate recovery restore" ;;
            'key recovery') words="create verify" ;;
            'config') words="show get set path" ;;
            'init') [[ $cur == -* ]] && words="--recovery-file --no-recovery" ;;
            'status') [[ $cur == -* ]] && words="--check --max-age" ;;
            'user add') [[ $cur == -* ]] && words="--data" ;;
            'user get') [[ $cur == -* ]] && words="--field" ;;
            'user update') [[ $cur == -* ]] && words="--data --if-version" ;;
            'user list') [[ $cur == -* ]] && words="--expstatus --created-before --updated-before --held --limit --after --reveal" ;;
            'user import') [[ $cur == -* ]] && words="--format --on-conflict --rejects --dry-run" ;;
            'user hold') [[ $cur == -* ]] && words="--reason --until" ;;
            'exp start') [[ $cur == -* ]] && words="--in --on --restart" ;;
            'exp list') [[ $cur == -* ]] && words="--due --within --limit" ;;
            'exp sweep') [[ $cur == -* ]] && words="--dry-run --limit --max-deletes --accept-clock --receipts" ;;
            'export') [[ $cur == -* ]] && words="--all --fields --format --out --force --encrypt-to" ;;
            'audit list') [[ $cur == -* ]] && words="--since --until --action --actor --limit" ;;
            'audit verify') [[ $cur == -* ]] && words="--against --deep" ;;
            'audit export') [[ $cur == -* ]] && words="--since --until --out --force" ;;
            'audit prune') [[ $cur == -* ]] && words="--before" ;;
            'erasure list') [[ $cur == -* ]] && words="--limit" ;;
            'erasure verify') [[ $cur == -* ]] && words="--key" ;;
            'backup create') [[ $cur == -* ]] && words="--keep --force" ;;
            'backup verify') [[ $cur == -* ]] && words="--recovery-file" ;;
            'backup restore') [[ $cur == -* ]] && words="--recovery-file --ledger --no-ledger --against" ;;
            'key enroll') [[ $cur == -* ]] && words="--default --replace" ;;
            'key rotate') [[ $cur == -* ]] && words="--recovery-file --no-recovery --skip-unreachable" ;;
            'key recovery create') [[ $cur == -* ]] && words="--recovery-file" ;;
            'key recovery verify') [[ $cur == -* ]] && words="--recovery-file" ;;
            'key restore') [[ $cur == -* ]] && words="--recovery-file --replace" ;;
            'unlock') [[ $cur == -* ]] && words="--for" ;;
            'report') [[ $cur == -* ]] && words="--since --until --out --force" ;;
            'destroy') [[ $cur == -* ]] && words="--confirm" ;;
        esac
        if [[ $cur == -* ]]; then words="$words --vault --config -o --output --json --key-file --key-command --key-fd --keyring-timeout --no-input -y --yes -q --quiet --debug --actor --reason --ref --lock-wait --color -h --help --version"; fi
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    case $path in
        'user import'|'export verify'|'erasure verify'|'backup create'|'backup verify'|'backup restore') [[ $cur == -* ]] || { compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return; } ;;
    esac
}
complete -F _bunkerctl bunkerctl
