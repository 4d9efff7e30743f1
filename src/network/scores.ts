import type { PublicKey } from '../consensus/types.js'
import type { NetworkLimits } from './limits.js'

/** What a peer did wrong, and what it costs. A peer at or below `limits.banBelowScore` (-100) is cut and banned for a while. */
export const PENALTIES = {
  /** A signature that does not verify: nobody sends one by accident. */
  'bad-signature': 25,
  /** Bytes that do not decode. */
  garbage: 34,
  /** A message that its handler rejected without a more exact rule. */
  'rejected-message': 25,
  'oversized-message': 34,
  /** More messages or bytes than the rate limit; an honest but busy peer may touch it. */
  'gossip-flood': 10,
  'request-flood': 2,
  'oversized-request': 10,
  'bad-request': 10,
  /** An answer that is provably not what was asked for. */
  'wrong-answer': 34,
  /** A key, address list or status that cannot be right. */
  'bad-hello': 50
} as const

export type ScoreRule = keyof typeof PENALTIES

interface Score {
  value: number
  atMs: number
}

/** Scores are zero or below and fall back towards zero by half in each `scoreHalfLifeMs`. */
export class PeerScores {
  readonly #limits: NetworkLimits
  /** ms of a clock that nobody puts back: a ban must not last until the wall clock has caught up. */
  readonly #now: () => number
  readonly #scores = new Map<PublicKey, Score>()
  readonly #bans = new Map<PublicKey, { untilMs: number; reason: string }>()

  constructor(limits: NetworkLimits, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#now = now
  }

  get(peer: PublicKey): number {
    const score = this.#scores.get(peer)
    if (score === undefined) return 0
    const halves = Math.max(0, this.#now() - score.atMs) / this.#limits.scoreHalfLifeMs
    const value = score.value * 0.5 ** halves
    return value > -0.5 ? 0 : value
  }

  /** Takes the rule's penalty off; true when this puts the peer below the threshold: the caller cuts it. */
  report(peer: PublicKey, rule: ScoreRule): boolean {
    const value = this.get(peer) - PENALTIES[rule]
    const nowMs = this.#now()
    this.#scores.delete(peer)
    this.#scores.set(peer, { value, atMs: nowMs })
    this.#bound(this.#scores)
    // Rounded, since some of the points have fallen back between two offences.
    if (Math.round(value) > this.#limits.banBelowScore || this.isBanned(peer)) return false
    this.ban(peer, this.#limits.banMs, rule)
    return true
  }

  /** For a time from now on, whatever the score. */
  ban(peer: PublicKey, durationMs: number, reason: string): void {
    this.#bans.delete(peer)
    this.#bans.set(peer, { untilMs: this.#now() + durationMs, reason })
    this.#bound(this.#bans)
  }

  /** The ban is over and the score is clean. False when there was none. */
  unban(peer: PublicKey): boolean {
    this.#scores.delete(peer)
    return this.#bans.delete(peer)
  }

  /** The ban in force, or null. */
  banOf(peer: PublicKey): { leftMs: number; reason: string } | null {
    const leftMs = this.banLeftMs(peer)
    const reason = this.#bans.get(peer)?.reason
    return reason === undefined ? null : { leftMs, reason }
  }

  /** Those in force. */
  bans(): { publicKey: PublicKey; leftMs: number; reason: string }[] {
    return [...this.#bans]
      .map(([publicKey, { reason }]) => ({ publicKey, leftMs: this.banLeftMs(publicKey), reason }))
      .filter(({ leftMs }) => leftMs > 0)
  }

  isBanned(peer: PublicKey): boolean {
    return this.banLeftMs(peer) > 0
  }

  banLeftMs(peer: PublicKey): number {
    const ban = this.#bans.get(peer)
    if (ban === undefined) return 0
    const leftMs = ban.untilMs - this.#now()
    if (leftMs > 0) return leftMs
    this.#bans.delete(peer)
    // After a ban the peer starts half way, so that a second offence cuts it sooner.
    this.#scores.set(peer, { value: this.#limits.banBelowScore / 2, atMs: this.#now() })
    return 0
  }

  #bound(map: Map<PublicKey, unknown>): void {
    while (map.size > this.#limits.maxKnownPeers) map.delete(map.keys().next().value as PublicKey)
  }
}
