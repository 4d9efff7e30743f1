/** gossipsub answers IWANT with many messages in one frame, which its encoder bounds at 4 MiB. */
export const MAX_GOSSIP_FRAME_BYTES = 5 * 1024 * 1024

/** Counts complete length-prefixed frames in a stream of bytes without keeping them. */
export class FrameCounter {
  #length = 0
  #shift = 0
  #left = 0

  /** Frames completed by this chunk. Throws an Error for a length above 5 MiB or one that is no varint. */
  push(chunk: Uint8Array): number {
    let complete = 0
    let offset = 0
    while (offset < chunk.byteLength) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.byteLength - offset)
        this.#left -= taken
        offset += taken
        if (this.#left === 0) complete++
        continue
      }
      const byte = chunk[offset++] as number
      this.#length += (byte & 0x7f) * 2 ** this.#shift
      this.#shift += 7
      if (this.#length > MAX_GOSSIP_FRAME_BYTES || this.#shift > 35) throw new Error('a gossip frame is too large')
      if (byte >= 0x80) continue
      this.#left = this.#length
      if (this.#left === 0) complete++
      this.#length = 0
      this.#shift = 0
    }
    return complete
  }
}
