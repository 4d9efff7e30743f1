/** The user client library for Node: the same client with `ws`, node:crypto and key files. */
import { WebSocket } from 'ws'
import { createKeyPair, Signer } from '../crypto/keys.js'
import { type ClientOptions, HotPocketClient as WebClient } from './client.js'
import type { KeyTools } from './keys.js'
import type { OpenWebSocket } from './web-socket.js'

export type { ClientEvents, ClientOptions, Output } from './client.js'
export { type ClientErrorCode, HotPocketClientError } from './errors.js'
export { loadOrCreateKeyFile } from './key-file.js'
export { type KeyPair, type KeyTools, webKeyTools } from './keys.js'
export type { Notice } from './messages.js'
export type { OpenWebSocket, WebSocketLike } from './web-socket.js'

/** Keys by node:crypto. */
export const nodeKeyTools: KeyTools = {
  createKeyPair: () => createKeyPair(),
  sign: (data, keyPair) => new Signer(keyPair).sign(data)
}

/** Largest output that a client takes, bytes. */
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024

/** Time for a node to answer a close, ms. */
const CLOSE_TIMEOUT_MS = 3_000

/** Opens sockets of `ws`; `tls` adds options for wss://, such as `ca` for a certificate of one's own making. */
export function wsOpener(tls: { ca?: string | Buffer; rejectUnauthorized?: boolean } = {}): OpenWebSocket {
  const options = { ...tls, perMessageDeflate: false, maxPayload: OUTPUT_BYTES_MAX, closeTimeout: CLOSE_TIMEOUT_MS }
  return (url) => new WebSocket(url, options)
}

export type HotPocketClient = WebClient

/** The client of ./client.ts with the parts of Node as its defaults. */
export const HotPocketClient = {
  connect(urls: string | string[], options: ClientOptions = {}): Promise<HotPocketClient> {
    const openWebSocket = options.openWebSocket ?? wsOpener()
    return WebClient.connect(urls, { ...options, openWebSocket, keyTools: options.keyTools ?? nodeKeyTools })
  }
}
