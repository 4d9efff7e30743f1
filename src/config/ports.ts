import { createServer } from 'node:net'
import { ConfigError, type ConfigProblem, systemCode } from './errors.js'
import type { NodeConfig } from './types.js'

/** Null when the port can be bound now, else the code of the error, 'EADDRINUSE' for example. */
export function tryPort(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(systemCode(error) || 'EIO'))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)))
  })
}

function portProblem(key: string, host: string, port: number, code: string): ConfigProblem {
  const at = `hp.cfg: ${key}: port ${port} on ${host}`
  if (code === 'EADDRINUSE') {
    return {
      code: 'port-taken',
      key,
      message: `${at} is taken by another program: stop that one or choose another port`
    }
  }
  if (code === 'EADDRNOTAVAIL') {
    return {
      code: 'port-denied',
      key: 'ip',
      message: `hp.cfg: ip: ${host} is not an address of this machine: use one that is, or 0.0.0.0`
    }
  }
  const remedy =
    code === 'EACCES' ? 'may not be bound by this user: choose a port above 1023' : `cannot be bound (${code})`
  return { code: 'port-denied', key, message: `${at} ${remedy}` }
}

/** Throws `ConfigError` when a configured port is taken; whoever binds it later must still expect that. */
export async function checkPorts(config: NodeConfig): Promise<void> {
  const ports: [string, string, number | null][] = [
    ['peerport', config.network.host, config.network.wsPort],
    ['tcpport', config.network.host, config.network.tcpPort],
    ['pubport', config.users.host, config.users.port]
  ]
  const problems: ConfigProblem[] = []
  for (const [key, host, port] of ports) {
    if (port === null) continue
    const code = await tryPort(host, port)
    if (code !== null) problems.push(portProblem(key, host, port, code))
  }
  const [first, ...rest] = problems.filter(
    (problem, index) => problems.findIndex((other) => other.message === problem.message) === index
  )
  if (first !== undefined) throw new ConfigError([first, ...rest])
}
