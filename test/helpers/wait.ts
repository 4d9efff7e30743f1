import { setTimeout as delay } from 'node:timers/promises'

/** Far above what a slow shared machine needs; only a failing test waits so long. */
export const PATIENCE_MS = 60_000

/**
 * Polls until `condition` gives something other than null, undefined or false, and resolves with it. Rejects after
 * `timeoutMs` with `what` and the last thing that `describe` tells.
 */
export async function waitUntil<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: { timeoutMs?: number; everyMs?: number; describe?: () => string | Promise<string> } = {}
): Promise<NonNullable<T>> {
  const { timeoutMs = PATIENCE_MS, everyMs = 25, describe } = options
  const endMs = Date.now() + timeoutMs
  for (;;) {
    const result = await condition()
    if (result !== null && result !== undefined && result !== false) return result as NonNullable<T>
    if (Date.now() > endMs) {
      const seen = describe === undefined ? '' : `\n${await describe()}`
      throw new Error(`waited ${timeoutMs / 1000} s for: ${what}${seen}`)
    }
    await delay(everyMs)
  }
}
