# Made by `make docs` from the command table; do not edit.
function __bunkerctl
    set -l path ''
    set -l option ''
    set -l about ''
    set -l before ''
    set -l words
    set -l options
    set -l files
    for word in (commandline -opc)[2..]
        if test -n "$option"
            set option ''
            continue
        end
        switch $word
            case --action --actor --after --against --before --color --config --confirm --created-before --data --delimiter --encoding --encrypt-to --expstatus --field --fields --for --format --if-version --in --keep --key --key-command --key-fd --key-file --keyring-timeout --ledger --limit --lock-wait --map --max-age --max-deletes --on --on-conflict --out --output --reason --receipts --recovery-file --ref --rejects --set --since --type --until --updated-before --vault --within -o
                set option $word
            case '-*'
            case '*'
                switch "$about$path $word"
                    case ' help' ' schema'
                        set about $word
                    case '*'
                        switch "$path $word"
                            case ' audit' ' audit checkpoint' ' audit export' ' audit head' ' audit key' ' audit list' ' audit prune' ' audit show' ' audit verify' ' backup' ' backup create' ' backup list' ' backup prune' ' backup restore' ' backup verify' ' completion' ' config' ' config get' ' config path' ' config set' ' config show' ' demo' ' destroy' ' doctor' ' erasure' ' erasure list' ' erasure show' ' erasure verify' ' exp' ' exp cancel' ' exp delete' ' exp list' ' exp retain' ' exp start' ' exp status' ' exp sweep' ' export' ' export verify' ' help' ' init' ' key' ' key enroll' ' key recovery' ' key recovery create' ' key recovery verify' ' key restore' ' key rotate' ' key status' ' key test' ' lock' ' report' ' schema' ' status' ' unlock' ' user' ' user add' ' user check' ' user forget' ' user get' ' user hold' ' user import' ' user list' ' user release' ' user update'
                                set path "$path $word"
                        end
                end
        end
    end
    set -l current (commandline -ct)
    if string match -q -- '--*=*' $current
        set option (string replace -r '=.*' '' -- $current)
        set before $option=
        set current (string replace -r '^[^=]*=' '' -- $current)
    end
    if test -n "$option"
        switch "$path $option"
            case ' audit export --out'
                set files 1
            case ' audit list --action'
                set words vault.init user.add user.get user.update user.list user.forget user.import user.check user.hold user.release exp.start exp.status exp.list exp.retain exp.delete exp.cancel exp.sweep exp.erase export.user export.all audit.prune backup.create backup.prune backup.restore key.enroll key.recovery key.restore key.rotate key.unlock vault.destroy
            case ' audit verify --against'
                set files 1
            case ' backup restore --recovery-file'
                set files 1
            case ' backup restore --ledger'
                set files 1
            case ' backup restore --against'
                set files 1
            case ' backup verify --recovery-file'
                set files 1
            case ' exp sweep --receipts'
                set files 1
            case ' export --format'
                set words json zip html csv
            case ' export --out'
                set files 1
            case ' init --recovery-file'
                set files 1
            case ' key recovery create --recovery-file'
                set files 1
            case ' key recovery verify --recovery-file'
                set files 1
            case ' key restore --recovery-file'
                set files 1
            case ' key rotate --recovery-file'
                set files 1
            case ' report --out'
                set files 1
            case ' user add --data'
                set files 1
            case ' user import --format'
                set words jsonl csv
            case ' user import --on-conflict'
                set words error skip update
            case ' user import --rejects'
                set files 1
            case ' user list --expstatus'
                set words none wait retain expired
            case ' user update --data'
                set files 1
            case '* --vault'
                set files 1
            case '* --config'
                set files 1
            case '* -o' '* --output'
                set words table plain json jsonl csv
            case '* --key-file'
                set files 1
            case '* --color'
                set words auto always never
        end
    else
        switch $path
            case ''
                set words init\t'Make a new vault, with a new random 256-bit master key.' status\t'Show the vault in a few numbers.' user\t'People: add, read, change, list, hold and forget them.' exp\t'Expirations: who is to be erased, when, and the sweep that does it.' export\t'Export everything held about one person, or with --all everybody\'s records.' audit\t'The audit trail: read it, and prove that it is whole.' erasure\t'Erasures: who was erased, and the receipts that prove it.' backup\t'Backups: make, check and restore them, without bringing anybody back.' key\t'The master key: look at it, put it elsewhere, recover it, rotate it.' unlock\t'Keep the master key in the kernel, so that a script\'s calls need not ask the keyring.' lock\t'Let the kernel forget the master key at once that `unlock` has kept.' report\t'Show what the vault has kept, erased and shown: for a data protection officer, at an audit.' doctor\t'Examine the machine and the vault, and say what to do about each finding.' destroy\t'End a vault for good: its key, its database and its ledger.' config\t'Settings: show and change them.' demo\t'Walk through the whole job on a throw-away vault, which is removed at the end.' help\t'Show a text of the manual, or the help of a command; alone, the list of topics.' schema\t'Print the JSON Schema (2020-12) of what a command answers with --json.' completion\t'Print the script that completes command lines in a shell.'
            case ' audit'
                set words list\t'List audit events, newest last.' show\t'Show one event, with everything it says.' head\t'Print the head of the audit trail: keep it elsewhere, for `audit verify --against`.' checkpoint\t'Print the head of the audit trail, signed by the vault: keep it elsewhere.' key\t'Print the public key that checkpoints and receipts are checked with.' verify\t'Recompute the audit trail, and with --against prove that it continues an earlier head.' export\t'Export audit events with everything they say, as JSON lines or CSV.' prune\t'Delete old events; the tree over them and its signed checkpoint stay.'
            case ' audit export'
                set options --since\t'from this date on, or from that long ago' --until\t'before this date, or before that long ago' --out\t'write there (0600), not to standard output (`-`)' --force\t'replace a file that exists'
            case ' audit list'
                set options --since\t'from this date on, or from that long ago' --until\t'before this date, or before that long ago' --action\t'this action alone' --actor\t'events of this actor alone' --limit\t'the newest N'
            case ' audit prune'
                set options --before\t'events from before this date, or so long ago'
            case ' audit verify'
                set options --against\t'a head, checkpoint or anchor that was kept elsewhere' --deep\t'also compare each living record with what the trail says of it'
            case ' backup'
                set words create\t'Write the whole vault into one encrypted file, and verify it.' list\t'List the backups that the vault has made, and not removed or replaced.' verify\t'Check a backup whole: its bytes, every page, its audit trail and the signed checkpoint.' restore\t'Make a vault at a new place from a backup, and erase again whom it had lost since.' prune\t'Remove the files of backups whose time is over, as `backup create --keep` said.'
            case ' backup create'
                set options --keep\t'how long it is to be kept: `backup prune` removes it then' --force\t'replace a file that exists'
                set files 1
            case ' backup restore'
                set options --recovery-file\t'take the key from this recovery code; `-` is stdin' --ledger\t'the newest erasure ledger; else the one beside the vault' --no-ledger\t'go on without one: who was erased since comes back' --against\t'prove it against a head or checkpoint that was kept elsewhere'
                set files 1
            case ' backup verify'
                set options --recovery-file\t'take the key from this recovery code; `-` is stdin'
                set files 1
            case ' completion'
                set words bash\t'which one' zsh\t'which one' fish\t'which one'
            case ' config'
                set words show\t'List every setting, its value, and the file it comes from.' get\t'Print the value of one setting; nothing if it has none.' set\t'Write one setting into the user\'s file, or into the one that --config names.' path\t'Print the path of the file that `config set` writes.'
            case ' config get'
                set words vault\t'directory of the vault' output\t'form of the result' color\t'when to use colour' actor\t'who acts, for the audit trail' lock_wait\t'how long to wait for another writer' key.file\t'file with the master key' key.command\t'command that prints the master key' key.keyring_timeout\t'how long to wait for the keyring (5s, and 2min with a person at a terminal)' audit.anchor\t'where each sweep and backup puts a signed checkpoint: file:PATH, syslog, command:CMD; several with commas, a command last' exp.grace\t'time from `exp start` to the erasure' exp.max\t'longest time that `exp start` accepts' exp.overdue_after\t'due for longer than this is overdue' links.base\t'address that the links begin with' phone.region\t'region of phone numbers without a country code' privacy.controller\t'for an export: who answers for the data: name and address' privacy.contact\t'for an export: whom people write to: the controller, or the data protection officer' privacy.purposes\t'for an export: what the data are for' privacy.categories\t'for an export: what kinds of data they are' privacy.recipients\t'for an export: who gets them' privacy.transfers\t'for an export: to which countries outside the law\'s reach they go, and with what safeguards' privacy.retention\t'for an export: how long they are kept, or by what rule' privacy.source\t'for an export: where they come from, if not from the person' privacy.rights\t'for an export: how a person asks to have them corrected, erased, restricted, or objects' privacy.authority\t'for an export: which authority a complaint goes to' privacy.decisions\t'for an export: which decisions are made by machines alone, and by what logic' record.schema\t'file with the JSON Schema 2020-12 of records; its path is relative to the settings'
            case ' config set'
                set words vault\t'directory of the vault' output\t'form of the result' color\t'when to use colour' actor\t'who acts, for the audit trail' lock_wait\t'how long to wait for another writer' key.file\t'file with the master key' key.command\t'command that prints the master key' key.keyring_timeout\t'how long to wait for the keyring (5s, and 2min with a person at a terminal)' audit.anchor\t'where each sweep and backup puts a signed checkpoint: file:PATH, syslog, command:CMD; several with commas, a command last' exp.grace\t'time from `exp start` to the erasure' exp.max\t'longest time that `exp start` accepts' exp.overdue_after\t'due for longer than this is overdue' links.base\t'address that the links begin with' phone.region\t'region of phone numbers without a country code' privacy.controller\t'for an export: who answers for the data: name and address' privacy.contact\t'for an export: whom people write to: the controller, or the data protection officer' privacy.purposes\t'for an export: what the data are for' privacy.categories\t'for an export: what kinds of data they are' privacy.recipients\t'for an export: who gets them' privacy.transfers\t'for an export: to which countries outside the law\'s reach they go, and with what safeguards' privacy.retention\t'for an export: how long they are kept, or by what rule' privacy.source\t'for an export: where they come from, if not from the person' privacy.rights\t'for an export: how a person asks to have them corrected, erased, restricted, or objects' privacy.authority\t'for an export: which authority a complaint goes to' privacy.decisions\t'for an export: which decisions are made by machines alone, and by what logic' record.schema\t'file with the JSON Schema 2020-12 of records; its path is relative to the settings'
            case ' destroy'
                set options --confirm\t'the id of the vault, instead of typing it'
            case ' erasure'
                set words show\t'Show the receipt of an erasure: what was erased when and why, and the proof of it.' list\t'List who was erased, oldest first: tokens, times and reasons.' verify\t'Check the receipt of an erasure: with the vault\'s public key alone, without the vault.'
            case ' erasure list'
                set options --limit\t'the first N'
            case ' erasure verify'
                set options --key\t'the vault\'s public key, as `audit key` printed it, or a file with it'
                set files 1
            case ' exp'
                set words start\t'Let a person wait for erasure, and show the links to tell it with.' status\t'Show how a person stands: none, wait, retain or, by token, expired.' cancel\t'Take an expiration back: the person is no longer to be erased, and its links are void.' retain\t'Keep a person who asked to be kept, overdue or not. Twice is once.' delete\t'Erase now a person who waits and asked to be gone. Twice is once.' list\t'List who waits, soonest due first.' sweep\t'Erase everybody who is due and not held. This is the cron job: it never asks.'
            case ' exp list'
                set options --due\t'who is due now' --within\t'who is due within this time' --limit\t'at most N'
            case ' exp start'
                set options --in\t'erase after this long: 30d, 6mo, P1Y' --on\t'erase on this date' --restart\t'replace a standing date and its exptoken'
            case ' exp sweep'
                set options --dry-run\t'say what would be erased, and erase nothing' --limit\t'erase at most N, the longest due first' --max-deletes\t'refuse only if more than N are due' --accept-clock\t'the clock is right, though it looks wrong' --receipts\t'write a receipt of each erasure there: TOKEN.json'
            case ' export'
                set words verify\t'Check an export of one person, without the vault: nothing in it is damaged or lost.'
                set options --all\t'every living person, a line each, as `user import` reads it' --fields\t'with --all: these fields alone, with commas' --format\t'form of the export of one person' --out\t'write there (0600), not to standard output (`-`)' --force\t'replace a file that exists' --encrypt-to\t'encrypt it for this public key of age (age1...), or for those in a file; can be repeated'
            case ' export verify'
                set files 1
            case ' init'
                set options --recovery-file\t'write the recovery code there (0600), and show it nowhere' --no-recovery\t'make no recovery code'
            case ' key'
                set words status\t'Show where the key comes from, and whether it is this vault\'s; never the key.' test\t'Try what a job of cron would see: open the vault with nobody there to ask.' enroll\t'Put the key in one more place, so that a job has a route of its own.' rotate\t'Give the vault a new key, and encrypt the whole database anew.' recovery\t'The recovery code: make one, and try it.' restore\t'Put the key back from a recovery code, where the keyring or the key file is gone.'
            case ' key enroll'
                set words file\t'what kind of place' keyring\t'what kind of place' systemd-credential\t'what kind of place'
                set options --default\t'take the key from there from now on, if nothing else is said' --replace\t'replace another key that is there'
                set files 1
            case ' key recovery'
                set words create\t'Make a new recovery code; the one before opens the vault no more.' verify\t'Try a recovery code: does it give this vault\'s key?'
            case ' key recovery create'
                set options --recovery-file\t'write the code there (0600), and show it nowhere'
            case ' key recovery verify'
                set options --recovery-file\t'the code is in this file; `-` is standard input'
            case ' key restore'
                set options --recovery-file\t'the code is in this file; `-` is standard input' --replace\t'replace another key that is there'
            case ' key rotate'
                set options --recovery-file\t'write the new recovery code there (0600)' --no-recovery\t'make no recovery code' --skip-unreachable\t'let a place that cannot be reached keep the old key'
            case ' report'
                set options --since\t'from this date on, or from that long ago; else from the first event' --until\t'before this date, or before that long ago; else up to now' --out\t'write the page (HTML, 0600) there; `-` is standard output' --force\t'replace a file that exists; let --out - write to a terminal'
            case ' status'
                set options --check\t'for monitoring: exit 8 if the sweep is stale or somebody is overdue' --max-age\t'how old the last sweep may be for --check (26h)'
            case ' unlock'
                set options --for\t'how long: 15min (or 15m), at most a day'
            case ' user'
                set words add\t'Add a person, and print the new token.' get\t'Show a person\'s record. Each read is an audit event, written before anything is shown.' update\t'Change a person\'s record, wholly or not at all.' list\t'List people in the order of their tokens, personal values masked.' forget\t'Erase a person for good: record, identities, expiration, holds.' import\t'Add many people, from JSON lines or from a CSV file.' check\t'Check every record against the schema and the rules of identities, as they are now.' hold\t'Put a person under a legal hold: nothing erases it until it is released or lapses.' release\t'Lift a legal hold.'
            case ' user add'
                set options --data\t'the record (JSON); `-` is standard input'
            case ' user get'
                set options --field\t'print the value of one field'
            case ' user hold'
                set options --reason\t'why the data must be kept; it is erased with the person' --until\t'when the hold lapses by itself'
            case ' user import'
                set options --format\t'form of the file; else its name tells' --encoding\t'what the file is in: utf-8, utf-16, windows-1252 and others' --delimiter\t'what parts the cells of CSV: , ; | or tab; else found out' --map\t'call a column so; an empty FIELD leaves it out' --type\t'int, number, bool, json or text (CSV)' --set\t'put this into every record' --on-conflict\t'when an identity is taken' --rejects\t'put the rejected lines there, to be mended and run again' --dry-run\t'report what would be done, and do nothing'
                set files 1
            case ' user list'
                set options --expstatus\t'who stands so' --created-before\t'created before this date, or before that long ago' --updated-before\t'updated before this date, or before that long ago' --held\t'under a legal hold' --limit\t'at most N' --after\t'only tokens behind this one: the last of the previous page' --reveal\t'show personal values; an audit event for each person'
            case ' user update'
                set options --data\t'the patch (JSON); `-` is standard input' --if-version\t'only if the record has this version, else exit 5'
        end
        if string match -q -- '-*' $current
            set words $options --vault\t'which vault' --config\t'settings (TOML); must exist when named' -o\t'form of the result' --output\t'form of the result' --json\t'the same as -o json' --key-file\t'the master key is in this file' --key-command\t'this command prints the master key' --key-fd\t'the master key comes from this descriptor' --keyring-timeout\t'how long to wait for the keyring (5s; with a person at a terminal 2min)' --no-input\t'never prompt: fail, and say what to pass' -y\t'answer this command\'s own confirmation' --yes\t'answer this command\'s own confirmation' -q\t'less on stderr' --quiet\t'less on stderr' --debug\t'more on stderr' --actor\t'who acts, for the audit trail' --reason\t'why, for the audit trail: no names here' --ref\t'which ticket, for the audit trail' --lock-wait\t'how long to wait for another writer (10s)' --color\t'when to use colour' -h\t'show this help' --help\t'show this help' --version\t'show the version'
            set files
        else if test -z "$path"
            switch $about
                case help
                    set -a words identities import keys config json exit-codes
                case schema
                    set -a words error
            end
        end
    end
    for word in $words
        echo $before$word
    end
    if test -n "$files"
        for word in (__fish_complete_path $current)
            echo $before$word
        end
    end
end
complete -c bunkerctl -f -a '(__bunkerctl)'
