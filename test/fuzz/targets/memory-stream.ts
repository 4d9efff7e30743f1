import { defaultLogger } from '@libp2p/logger'
import { AbstractStream } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'

/** A libp2p stream without a network: what is fed arrives, what is sent is dropped. */
export class MemoryStream extends AbstractStream {
  constructor() {
    super({ id: 'memory', direction: 'inbound', log: defaultLogger().forComponent('fuzz'), protocol: '/fuzz/1' })
  }

  feed(bytes: Uint8Array): void {
    this.onData(bytes)
  }

  /** The other side has said all. */
  end(): void {
    this.onRemoteCloseWrite()
  }

  override sendData(data: Uint8ArrayList): { sentBytes: number; canSendMore: boolean } {
    return { sentBytes: data.byteLength, canSendMore: true }
  }

  override sendReset(): void {}

  override async sendCloseWrite(): Promise<void> {}

  override async sendCloseRead(): Promise<void> {}

  override sendPause(): void {}

  override sendResume(): void {}
}
