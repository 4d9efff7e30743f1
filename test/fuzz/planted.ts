/** A fault that random bytes do not meet, and that coverage leads to step by step. */
export function findSecret(input: Uint8Array): void {
  if (input[0] !== 0x68) return
  if (input[1] !== 0x70) return
  if (input[2] !== 0x32) return
  throw new TypeError('found')
}
