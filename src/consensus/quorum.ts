/**
 * Votes that close a ledger: max(floor(2n/3) + 1, ceil(threshold/100 * n)).
 *
 * @param n validators in the UNL
 * @param threshold percent, 67..100
 */
export function quorumOf(n: number, threshold: number): number {
  return Math.max(Math.floor((2 * n) / 3) + 1, Math.ceil((threshold * n) / 100))
}

/** Byzantine validators with which two quorums still share an honest one: no fork is possible. */
export function safeFaults(n: number, quorum: number): number {
  return 2 * quorum - n - 1
}

/** Silent validators with which ledgers still close. */
export function liveFaults(n: number, quorum: number): number {
  return n - quorum
}
