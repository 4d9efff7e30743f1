/**
 * A clock that stands still while this process cannot run: on an overloaded machine, when it is suspended, when its own
 * work keeps the event loop. What a peer did not do in such a time says nothing against the peer: its bytes may lie in
 * our buffers. There is one for the process, as there is one event loop.
 */

const TICK_MS = 100
/** What a tick may be late before the rest counts as sleep. */
const MAX_STEP_MS = 150

let users = 0
let timer: NodeJS.Timeout | null = null
let tickedMs = performance.now()
let awakeMs = tickedMs

function read(nowMs: number): number {
  return awakeMs + Math.min(Math.max(0, nowMs - tickedMs), MAX_STEP_MS)
}

/** The next step; exported for tests alone. */
export function tickAwakeClock(nowMs: number): void {
  awakeMs = read(nowMs)
  tickedMs = nowMs
}

/** ms of a clock that nobody puts back. Without a start it is `performance.now()`. */
export function awakeNow(nowMs = performance.now()): number {
  return users === 0 ? nowMs : read(nowMs)
}

/** Returns a function that ends it; it may be started many times over, and then runs once. */
export function startAwakeClock(): () => void {
  if (users++ === 0) {
    // Never behind what was told while it stood.
    tickedMs = performance.now()
    awakeMs = Math.max(awakeMs, tickedMs)
    timer = setInterval(() => tickAwakeClock(performance.now()), TICK_MS)
    timer.unref()
  }
  let isOver = false
  return () => {
    if (isOver) return
    isOver = true
    if (--users > 0 || timer === null) return
    clearInterval(timer)
    timer = null
  }
}

/** Calls `work` after a time of this clock. Returns a function that keeps it from being called. */
export function setAwakeTimeout(work: () => void, delayMs: number): () => void {
  const dueMs = awakeNow() + delayMs
  let pending: NodeJS.Timeout
  const wait = (leftMs: number): void => {
    pending = setTimeout(() => {
      const stillMs = dueMs - awakeNow()
      if (stillMs > 1) wait(stillMs)
      else work()
    }, leftMs)
    pending.unref()
  }
  wait(delayMs)
  return () => clearTimeout(pending)
}
