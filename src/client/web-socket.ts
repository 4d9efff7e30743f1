import { HotPocketClientError } from './errors.js'

/** What the client needs of a WebSocket: the browser's, Node's own and that of `ws` have it. */
export interface WebSocketLike {
  binaryType: string
  readonly readyState: number
  readonly bufferedAmount: number
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  send(data: string | Uint8Array<ArrayBuffer>): void
  close(code?: number, reason?: string): void
}

export type OpenWebSocket = (url: string) => WebSocketLike | Promise<WebSocketLike>

export const OPEN = 1

/** The environment's own WebSocket. */
export const openGlobalWebSocket: OpenWebSocket = (url) => {
  if (typeof globalThis.WebSocket !== 'function') {
    throw new HotPocketClientError('unsupported', 'this environment has no WebSocket: pass one as openWebSocket')
  }
  return new globalThis.WebSocket(url)
}
