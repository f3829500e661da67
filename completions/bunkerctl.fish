# Made by `make docs` from the command table; do not edit.
function __bunkerctl_words
    set -l skip
    for word in (commandline -opc)[2..]
        if test -n "$skip"
            set skip
        else if contains -- $word --action --actor --after --against --color --config --created-before --data --expstatus --field --format --if-version --in --key-command --key-fd --key-file --limit --lock-wait --max-age --max-deletes --on --on-conflict --out --output --reason --ref --rejects --since --until --updated-before --vault --within -o
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end
function __bunkerctl_exactly
    set -l typed (__bunkerctl_words)
    test "$argv" = "$typed"
end
function __bunkerctl_below
    set -l typed (__bunkerctl_words)
    string match -q -- "$argv *" "$typed "
end
complete -c bunkerctl -f
complete -c bunkerctl -n '__bunkerctl_exactly ' -a init -d 'Make a new vault, with a new random 256-bit master key.'
complete -c bunkerctl -n '__bunkerctl_exactly ' -a status -d 'Show the vault in a few numbers.'
complete -c bunkerctl -n '__bunkerctl_exactly ' -a user -d 'People: add, read, change, list, hold and forget them.'
complete -c bunkerctl -n '__bunkerctl_exactly ' -a exp -d 'Expirations: who is to be erased, when, and the sweep that does it.'
complete -c bunkerctl -n '__bunkerctl_exactly ' -a export -d 'Export everything held about one person, or with --all everybody\'s records.'
complete -c bunkerctl -n '__bunkerctl_exactly ' -a audit -d 'The audit trail: read it, and prove that it is whole.'
complete -c bunkerctl -n '__bunkerctl_exactly ' -a config -d 'Settings: show and change them.'
complete -c bunkerctl -n '__bunkerctl_exactly ' -a demo -d 'Walk through the whole job on a throw-away vault, which is removed at the end.'
complete -c bunkerctl -n '__bunkerctl_exactly user' -a add -d 'Add a person, and print the new token.'
complete -c bunkerctl -n '__bunkerctl_exactly user' -a get -d 'Show a person\'s record. Each read is an audit event, written before anything is shown.'
complete -c bunkerctl -n '__bunkerctl_exactly user' -a update -d 'Change a person\'s record, wholly or not at all.'
complete -c bunkerctl -n '__bunkerctl_exactly user' -a list -d 'List people in the order of their tokens, personal values masked.'
complete -c bunkerctl -n '__bunkerctl_exactly user' -a forget -d 'Erase a person for good: record, identities, expiration, holds.'
complete -c bunkerctl -n '__bunkerctl_exactly user' -a import -d 'Add many people, a JSON object a line.'
complete -c bunkerctl -n '__bunkerctl_exactly user' -a hold -d 'Put a person under a legal hold: nothing erases it until it is released or lapses.'
complete -c bunkerctl -n '__bunkerctl_exactly user' -a release -d 'Lift a legal hold.'
complete -c bunkerctl -n '__bunkerctl_exactly exp' -a start -d 'Let a person wait for erasure, and show the links to tell it with.'
complete -c bunkerctl -n '__bunkerctl_exactly exp' -a status -d 'Show how a person stands: none, wait, retain or, by token, expired.'
complete -c bunkerctl -n '__bunkerctl_exactly exp' -a cancel -d 'Take an expiration back: the person is no longer to be erased, and its links are void.'
complete -c bunkerctl -n '__bunkerctl_exactly exp' -a retain -d 'Keep a person who asked to be kept, overdue or not. Twice is once.'
complete -c bunkerctl -n '__bunkerctl_exactly exp' -a delete -d 'Erase now a person who waits and asked to be gone. Twice is once.'
complete -c bunkerctl -n '__bunkerctl_exactly exp' -a list -d 'List who waits, soonest due first.'
complete -c bunkerctl -n '__bunkerctl_exactly exp' -a sweep -d 'Erase everybody who is due and not held. This is the cron job: it never asks.'
complete -c bunkerctl -n '__bunkerctl_exactly audit' -a list -d 'List audit events, newest last.'
complete -c bunkerctl -n '__bunkerctl_exactly audit' -a show -d 'Show one event, with everything it says.'
complete -c bunkerctl -n '__bunkerctl_exactly audit' -a head -d 'Print the head of the audit trail: keep it elsewhere, for `audit verify --against`.'
complete -c bunkerctl -n '__bunkerctl_exactly audit' -a verify -d 'Recompute the audit trail, and with --against prove that it continues an earlier head.'
complete -c bunkerctl -n '__bunkerctl_exactly config' -a show -d 'List every setting, its value, and the file it comes from.'
complete -c bunkerctl -n '__bunkerctl_exactly config' -a get -d 'Print the value of one setting; nothing if it has none.'
complete -c bunkerctl -n '__bunkerctl_exactly config' -a set -d 'Write one setting into the user\'s file, or into the one that --config names.'
complete -c bunkerctl -n '__bunkerctl_exactly config' -a path -d 'Print the path of the file that `config set` writes.'
complete -c bunkerctl -l vault -r -F -d 'which vault'
complete -c bunkerctl -l config -r -F -d 'settings (TOML); must exist when named'
complete -c bunkerctl -s o -l output -x -a 'table plain json jsonl csv' -d 'form of the result'
complete -c bunkerctl -l json -d 'the same as -o json'
complete -c bunkerctl -l key-file -r -F -d 'the master key is in this file'
complete -c bunkerctl -l key-command -x -d 'this command prints the master key'
complete -c bunkerctl -l key-fd -x -d 'the master key comes from this descriptor'
complete -c bunkerctl -l no-input -d 'never prompt: fail, and say what to pass'
complete -c bunkerctl -s y -l yes -d 'answer this command\'s own confirmation'
complete -c bunkerctl -s q -l quiet -d 'less on stderr'
complete -c bunkerctl -l debug -d 'more on stderr'
complete -c bunkerctl -l actor -x -d 'who acts, for the audit trail'
complete -c bunkerctl -l reason -x -d 'why, for the audit trail: no names here'
complete -c bunkerctl -l ref -x -d 'which ticket, for the audit trail'
complete -c bunkerctl -l lock-wait -x -d 'how long to wait for another writer (10s)'
complete -c bunkerctl -l color -x -a 'auto always never' -d 'when to use colour'
complete -c bunkerctl -s h -l help -d 'show this help'
complete -c bunkerctl -l version -d 'show the version'
complete -c bunkerctl -n '__bunkerctl_below status' -l check -d 'for monitoring: exit 8 if the sweep is stale or somebody is overdue'
complete -c bunkerctl -n '__bunkerctl_below status' -l max-age -x -d 'how old the last sweep may be for --check (26h)'
complete -c bunkerctl -n '__bunkerctl_below user add' -l data -r -F -d 'the record (JSON); `-` is standard input'
complete -c bunkerctl -n '__bunkerctl_below user get' -l field -x -d 'print the value of one field'
complete -c bunkerctl -n '__bunkerctl_below user update' -l data -r -F -d 'the patch (JSON); `-` is standard input'
complete -c bunkerctl -n '__bunkerctl_below user update' -l if-version -x -d 'only if the record has this version, else exit 5'
complete -c bunkerctl -n '__bunkerctl_below user list' -l expstatus -x -a 'none wait retain expired' -d 'who stands so'
complete -c bunkerctl -n '__bunkerctl_below user list' -l created-before -x -d 'created before this date, or before that long ago'
complete -c bunkerctl -n '__bunkerctl_below user list' -l updated-before -x -d 'updated before this date, or before that long ago'
complete -c bunkerctl -n '__bunkerctl_below user list' -l held -d 'under a legal hold'
complete -c bunkerctl -n '__bunkerctl_below user list' -l limit -x -d 'at most N'
complete -c bunkerctl -n '__bunkerctl_below user list' -l after -x -d 'only tokens behind this one: the last of the previous page'
complete -c bunkerctl -n '__bunkerctl_below user list' -l reveal -d 'show personal values; an audit event for each person'
complete -c bunkerctl -n '__bunkerctl_below user import' -l format -x -a 'jsonl' -d 'form of the file'
complete -c bunkerctl -n '__bunkerctl_below user import' -l on-conflict -x -a 'error skip update' -d 'when an identity is taken'
complete -c bunkerctl -n '__bunkerctl_below user import' -l rejects -r -F -d 'put the rejected lines there, to be mended and run again'
complete -c bunkerctl -n '__bunkerctl_below user import' -l dry-run -d 'report what would be done, and do nothing'
complete -c bunkerctl -n '__bunkerctl_below user import' -F
complete -c bunkerctl -n '__bunkerctl_below user hold' -l reason -x -d 'why the data must be kept; it is erased with the person'
complete -c bunkerctl -n '__bunkerctl_below user hold' -l until -x -d 'when the hold lapses by itself'
complete -c bunkerctl -n '__bunkerctl_below exp start' -l in -x -d 'erase after this long: 30d, 6mo, P1Y'
complete -c bunkerctl -n '__bunkerctl_below exp start' -l on -x -d 'erase on this date'
complete -c bunkerctl -n '__bunkerctl_below exp start' -l restart -d 'replace a standing date and its exptoken'
complete -c bunkerctl -n '__bunkerctl_below exp list' -l due -d 'who is due now'
complete -c bunkerctl -n '__bunkerctl_below exp list' -l within -x -d 'who is due within this time'
complete -c bunkerctl -n '__bunkerctl_below exp list' -l limit -x -d 'at most N'
complete -c bunkerctl -n '__bunkerctl_below exp sweep' -l dry-run -d 'say what would be erased, and erase nothing'
complete -c bunkerctl -n '__bunkerctl_below exp sweep' -l limit -x -d 'erase at most N, the longest due first'
complete -c bunkerctl -n '__bunkerctl_below exp sweep' -l max-deletes -x -d 'refuse only if more than N are due'
complete -c bunkerctl -n '__bunkerctl_below exp sweep' -l accept-clock -d 'the clock is right, though it looks wrong'
complete -c bunkerctl -n '__bunkerctl_below export' -l all -d 'every living person, a JSON line each, as `user import` reads it'
complete -c bunkerctl -n '__bunkerctl_below export' -l format -x -a 'json' -d 'form of the export'
complete -c bunkerctl -n '__bunkerctl_below export' -l out -r -F -d 'write there (0600), not to standard output (`-`)'
complete -c bunkerctl -n '__bunkerctl_below export' -l force -d 'replace a file that exists'
complete -c bunkerctl -n '__bunkerctl_below audit list' -l since -x -d 'from this date on, or from that long ago'
complete -c bunkerctl -n '__bunkerctl_below audit list' -l until -x -d 'before this date, or before that long ago'
complete -c bunkerctl -n '__bunkerctl_below audit list' -l action -x -a 'vault.init user.add user.get user.update user.list user.forget user.import user.hold user.release exp.start exp.status exp.list exp.retain exp.delete exp.cancel exp.sweep exp.erase export.user export.all' -d 'this action alone'
complete -c bunkerctl -n '__bunkerctl_below audit list' -l actor -x -d 'events of this actor alone'
complete -c bunkerctl -n '__bunkerctl_below audit list' -l limit -x -d 'the newest N'
complete -c bunkerctl -n '__bunkerctl_below audit verify' -l against -r -F -d 'what `audit head --json` printed once'
