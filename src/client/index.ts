/** The user client library for browsers, and for any environment with WebSocket and WebCrypto. */
export { type ClientEvents, type ClientOptions, HotPocketClient, type Output } from './client.js'
export { type ClientErrorCode, HotPocketClientError } from './errors.js'
export { type KeyPair, type KeyTools, webKeyTools } from './keys.js'
export type { Notice } from './messages.js'
export type { OpenWebSocket, WebSocketLike } from './web-socket.js'
