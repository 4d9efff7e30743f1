/** Attempts for one input. */
const TRIES = 300

/** A shorter input for which `isKept` still says yes; `input` itself when none is found. */
export async function minimise(
  input: Uint8Array,
  isKept: (candidate: Uint8Array) => Promise<boolean>
): Promise<Uint8Array> {
  let best = input
  let tries = 0
  const attempt = async (candidate: Uint8Array): Promise<boolean> => {
    if (candidate.length >= best.length || tries++ >= TRIES || !(await isKept(candidate))) return false
    best = candidate
    return true
  }
  for (let size = Math.ceil(best.length / 2); size >= 1 && tries < TRIES; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length && tries < TRIES; ) {
      const without = Buffer.concat([best.subarray(0, at), best.subarray(at + size)])
      if (!(await attempt(without))) at += size
    }
  }
  return best
}
