# Made by `make docs` from the command table; do not edit.
_bunkerctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} path= option= about= words= options= files= word i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == = ]]; then continue; fi  # bash takes --option=value apart
        if [[ $option ]]; then option=; continue; fi
        case $word in
            --action|--actor|--after|--against|--before|--color|--config|--confirm|--created-before|--data|--delimiter|--encoding|--encrypt-to|--expstatus|--field|--fields|--for|--format|--if-version|--in|--keep|--key|--key-command|--key-fd|--key-file|--keyring-timeout|--ledger|--limit|--lock-wait|--map|--max-age|--max-deletes|--on|--on-conflict|--out|--output|--reason|--receipts|--recovery-file|--ref|--rejects|--set|--since|--type|--until|--updated-before|--vault|--within|-o) option=$word ;;
            -*) ;;
            *) case "$about$path $word" in
                ' help'|' schema') about=$word ;;
                *) case "$path $word" in
                    ' audit'|' audit checkpoint'|' audit export'|' audit head'|' audit key'|' audit list'|' audit prune'|' audit show'|' audit verify'|' backup'|' backup create'|' backup list'|' backup prune'|' backup restore'|' backup verify'|' completion'|' config'|' config get'|' config path'|' config set'|' config show'|' demo'|' destroy'|' doctor'|' erasure'|' erasure list'|' erasure show'|' erasure verify'|' exp'|' exp cancel'|' exp delete'|' exp list'|' exp retain'|' exp start'|' exp status'|' exp sweep'|' export'|' export verify'|' help'|' init'|' key'|' key enroll'|' key recovery'|' key recovery create'|' key recovery verify'|' key restore'|' key rotate'|' key status'|' key test'|' lock'|' report'|' schema'|' status'|' unlock'|' user'|' user add'|' user check'|' user forget'|' user get'|' user hold'|' user import'|' user list'|' user release'|' user update') path+=" $word" ;;
                esac ;;
            esac ;;
        esac
    done
    if [[ $cur == = ]]; then cur=; fi
    COMPREPLY=()
    if [[ $option ]]; then
        case "$path $option" in
            ' audit export --out') words="" files=1 ;;
            ' audit list --action') words="vault.init user.add user.get user.update user.list user.forget user.import user.check user.hold user.release exp.start exp.status exp.list exp.retain exp.delete exp.cancel exp.sweep exp.erase export.user export.all audit.prune backup.create backup.prune backup.restore key.enroll key.recovery key.restore key.rotate key.unlock vault.destroy" files= ;;
            ' audit verify --against') words="" files=1 ;;
            ' backup restore --recovery-file') words="" files=1 ;;
            ' backup restore --ledger') words="" files=1 ;;
            ' backup restore --against') words="" files=1 ;;
            ' backup verify --recovery-file') words="" files=1 ;;
            ' exp sweep --receipts') words="" files=1 ;;
            ' export --format') words="json zip html csv" files= ;;
            ' export --out') words="" files=1 ;;
            ' init --recovery-file') words="" files=1 ;;
            ' key recovery create --recovery-file') words="" files=1 ;;
            ' key recovery verify --recovery-file') words="" files=1 ;;
            ' key restore --recovery-file') words="" files=1 ;;
            ' key rotate --recovery-file') words="" files=1 ;;
            ' report --out') words="" files=1 ;;
            ' user add --data') words="" files=1 ;;
            ' user import --format') words="jsonl csv" files= ;;
            ' user import --on-conflict') words="error skip update" files= ;;
            ' user import --rejects') words="" files=1 ;;
            ' user list --expstatus') words="none wait retain expired" files= ;;
            ' user update --data') words="" files=1 ;;
            *' --vault') words="" files=1 ;;
            *' --config') words="" files=1 ;;
            *' -o'|*' --output') words="table plain json jsonl csv" files= ;;
            *' --key-file') words="" files=1 ;;
            *' --color') words="auto always never" files= ;;
        esac
    else
        case $path in
            '') words="init status user exp export audit erasure backup key unlock lock report doctor destroy config demo help schema completion"; ;;
            ' audit') words="list show head checkpoint key verify export prune"; ;;
            ' audit checkpoint') ;;
            ' audit export') options="--since --until --out --force"; ;;
            ' audit head') ;;
            ' audit key') ;;
            ' audit list') options="--since --until --action --actor --limit"; ;;
            ' audit prune') options="--before"; ;;
            ' audit show') ;;
            ' audit verify') options="--against --deep"; ;;
            ' backup') words="create list verify restore prune"; ;;
            ' backup create') options="--keep --force"; files=1 ;;
            ' backup list') ;;
            ' backup prune') ;;
            ' backup restore') options="--recovery-file --ledger --no-ledger --against"; files=1 ;;
            ' backup verify') options="--recovery-file"; files=1 ;;
            ' completion') words="bash zsh fish"; ;;
            ' config') words="show get set path"; ;;
            ' config get') words="vault output color actor lock_wait key.file key.command key.keyring_timeout audit.anchor exp.grace exp.max exp.overdue_after links.base phone.region privacy.controller privacy.contact privacy.purposes privacy.categories privacy.recipients privacy.transfers privacy.retention privacy.source privacy.rights privacy.authority privacy.decisions record.schema"; ;;
            ' config path') ;;
            ' config set') words="vault output color actor lock_wait key.file key.command key.keyring_timeout audit.anchor exp.grace exp.max exp.overdue_after links.base phone.region privacy.controller privacy.contact privacy.purposes privacy.categories privacy.recipients privacy.transfers privacy.retention privacy.source privacy.rights privacy.authority privacy.decisions record.schema"; ;;
            ' config show') ;;
            ' demo') ;;
            ' destroy') options="--confirm"; ;;
            ' doctor') ;;
            ' erasure') words="show list verify"; ;;
            ' erasure list') options="--limit"; ;;
            ' erasure show') ;;
            ' erasure verify') options="--key"; files=1 ;;
            ' exp') words="start status cancel retain delete list sweep"; ;;
            ' exp cancel') ;;
            ' exp delete') ;;
            ' exp list') options="--due --within --limit"; ;;
            ' exp retain') ;;
            ' exp start') options="--in --on --restart"; ;;
            ' exp status') ;;
            ' exp sweep') options="--dry-run --limit --max-deletes --accept-clock --receipts"; ;;
            ' export') words="verify"; options="--all --fields --format --out --force --encrypt-to"; ;;
            ' export verify') files=1 ;;
            ' help') ;;
            ' init') options="--recovery-file --no-recovery"; ;;
            ' key') words="status test enroll rotate recovery restore"; ;;
            ' key enroll') words="file keyring systemd-credential"; options="--default --replace"; files=1 ;;
            ' key recovery') words="create verify"; ;;
            ' key recovery create') options="--recovery-file"; ;;
            ' key recovery verify') options="--recovery-file"; ;;
            ' key restore') options="--recovery-file --replace"; ;;
            ' key rotate') options="--recovery-file --no-recovery --skip-unreachable"; ;;
            ' key status') ;;
            ' key test') ;;
            ' lock') ;;
            ' report') options="--since --until --out --force"; ;;
            ' schema') ;;
            ' status') options="--check --max-age"; ;;
            ' unlock') options="--for"; ;;
            ' user') words="add get update list forget import check hold release"; ;;
            ' user add') options="--data"; ;;
            ' user check') ;;
            ' user forget') ;;
            ' user get') options="--field"; ;;
            ' user hold') options="--reason --until"; ;;
            ' user import') options="--format --encoding --delimiter --map --type --set --on-conflict --rejects --dry-run"; files=1 ;;
            ' user list') options="--expstatus --created-before --updated-before --held --limit --after --reveal"; ;;
            ' user release') ;;
            ' user update') options="--data --if-version"; ;;
        esac
        if [[ $cur == -* ]]; then
            words="$options --vault --config -o --output --json --key-file --key-command --key-fd --keyring-timeout --no-input -y --yes -q --quiet --debug --actor --reason --ref --lock-wait --color -h --help --version" files=
        elif [[ -z $path ]]; then
            case $about in
                help) words+=' identities import keys config json exit-codes' ;;
                schema) words+=' error' ;;
            esac
        fi
    fi
    for word in $words; do
        if [[ $word == "$cur"* ]]; then COMPREPLY+=("$word"); fi
    done
    if [[ $files ]]; then compopt -o default; fi
}
complete -F _bunkerctl bunkerctl
