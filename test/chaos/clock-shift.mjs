/**
 * Preloaded into a node (`node --import 'file:///.../clock-shift.mjs?file=PATH'`) to give it a wrong wall clock: the file
 * holds by how many ms it is ahead, and by what part of a second it gains each second; it is looked at ten times a second.
 * Monotonic clocks go on as they are, as on a machine whose clock is set.
 */
import { readFileSync } from 'node:fs'

const path = new URL(import.meta.url).searchParams.get('file')
const Real = Date
const realNow = Real.now.bind(Real)
let text = ''
let offsetMs = 0
let rate = 0
let sinceMs = performance.now()

function look() {
  let found
  try {
    found = readFileSync(path, 'utf8')
  } catch {
    return
  }
  if (found === text) return
  const [offset, gain] = found.split(' ').map(Number)
  if (!Number.isFinite(offset) || !Number.isFinite(gain)) return
  text = found
  offsetMs = offset
  rate = gain
  sinceMs = performance.now()
}

const now = () => realNow() + offsetMs + Math.round((performance.now() - sinceMs) * rate)

look()
setInterval(look, 100).unref()
Real.now = now
globalThis.Date = new Proxy(Real, {
  apply: () => new Real(now()).toString(),
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget)
})
