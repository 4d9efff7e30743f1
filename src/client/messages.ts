import { HotPocketClientError } from './errors.js'

/** What the node tells a user beside outputs; `notice` says what it is about. */
export interface Notice {
  notice: string
  /** `input_refused`: which input of this connection, as `send` returned it. */
  input?: number
  /** The ledger that it is about. */
  seq?: number
  reason?: string
  [field: string]: unknown
}

const CHALLENGE = /^[0-9a-f]{16,128}$/i
const JSON_START = '{"hotpocket":'

/**
 * The challenge in a node's first message. Only hex digits are signed, so that a hostile node cannot get a signature
 * of something that has a meaning elsewhere.
 */
export function readChallenge(data: unknown, url: string): string {
  let message: unknown
  try {
    message = typeof data === 'string' ? JSON.parse(data) : null
  } catch {
    message = null
  }
  if (typeof message === 'object' && message !== null && 'type' in message && 'challenge' in message) {
    const { type, challenge } = message
    if (type === 'public_challenge' && typeof challenge === 'string' && CHALLENGE.test(challenge)) return challenge
  }
  throw new HotPocketClientError('bad_challenge', `${url} did not send a challenge: is it a user port?`, { url })
}

export function encodeHelo(challenge: string, pubkey: string, timestampS: number, sig: string): string {
  return JSON.stringify({ type: 'helo', challenge, pubkey, timestamp: timestampS, sig })
}

/** The notice in a text message, null when the text is an output. */
export function readNotice(text: string): Notice | null {
  if (!text.startsWith(JSON_START)) return null
  try {
    const { hotpocket, type, ...fields } = JSON.parse(text) as Record<string, unknown>
    if (typeof hotpocket !== 'number' || type !== 'notice' || typeof fields.notice !== 'string') return null
    return fields as Notice
  } catch {
    return null
  }
}
