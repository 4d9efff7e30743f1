#!/bin/bash
# A counter that all users share, kept in state/counter. Commands, one or more to a line:
#   add N   adds N (up to 9 digits, may be negative), answers the new value
#   get     answers the value
# Two messages of a user in one ledger arrive joined, so a command also ends where the next one begins.
set -u
LC_ALL=C
shopt -s extglob

total=0
if [[ -f state/counter ]]; then
  IFS= read -r total < state/counter || true
  [[ $total =~ ^-?[0-9]{1,18}$ ]] || { echo "state/counter is damaged" >&2; exit 1; }
fi
before=$total
readonly command='^[[:space:]]*(add[[:space:]]+(-?)([0-9]{1,9})|get)($|[^0-9].*$)'
readonly total_max=100000000000000000

answer_line() {
  local line=$1 sum
  while [[ $line =~ $command ]]; do
    line=${BASH_REMATCH[4]}
    if [[ ${BASH_REMATCH[1]} != get ]]; then
      sum=$((total ${BASH_REMATCH[2]:-+} 10#${BASH_REMATCH[3]}))
      if ((sum > total_max || sum < -total_max)); then
        printf 'error: the counter would leave its range\n'
        continue
      fi
      total=$sum
    fi
    printf '%s\n' "$total"
  done
  [[ -z ${line//[[:space:]]/} ]] || printf 'error: say "add N" (N up to 9 digits) or "get"\n'
}

answer_user() {
  local line
  while IFS= read -r line <&"$1" || [[ -n $line ]]; do
    answer_line "$line" >&"$2"
  done
}

# The list on standard input has one value to a line; the users come last, each followed by two numbers.
in_users=
input=
while IFS= read -r entry; do
  if [[ -z $in_users ]]; then
    [[ $entry == ' "user": {'* ]] && in_users=yes
  elif [[ $entry =~ ^\ +([0-9]+),?$ ]]; then
    if [[ -z $input ]]; then
      input=${BASH_REMATCH[1]}
    else
      answer_user "$input" "${BASH_REMATCH[1]}"
      input=
    fi
  fi
done

if [[ $total != "$before" ]]; then
  mkdir -p state
  printf '%s\n' "$total" > state/counter
fi
