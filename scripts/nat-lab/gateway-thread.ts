/**
 * A thread that takes connections on the machine's loopback and passes them on to a port in a network namespace, so that
 * users in this process reach a node there.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { enterNamespace } from './system.js'

const { namespace, port } = workerData as { namespace: string; port: number }

function join(user: Socket, node: Socket): void {
  user.pipe(node)
  node.pipe(user)
  for (const [one, other] of [
    [user, node],
    [node, user]
  ] as const) {
    one.setNoDelay(true)
    one.on('error', () => other.destroy())
    one.on('close', () => other.destroy())
  }
}

const server = createServer((user) => join(user, connect(port, '127.0.0.1')))
server.listen(0, '127.0.0.1', () => {
  // The listening socket stays outside, each connection to the node is made inside.
  enterNamespace(namespace)
  parentPort?.postMessage((server.address() as AddressInfo).port)
})
