import { isKeyPair } from '../crypto/index.js'
import type { ConfigProblem } from './errors.js'
import type { RawConfig } from './keys.js'

/** Takes one mistake; `text` is a line without the name of the file. */
export type Report = (code: ConfigProblem['code'], key: string, text: string) => void

function checkKeys(raw: RawConfig, report: Report): void {
  if (!isKeyPair(raw.pubkey, Buffer.from(raw.seckey, 'hex'))) {
    report(
      'key-pair',
      'seckey',
      'seckey does not belong to pubkey: put back the pair that was made together, or `hp-p2p rekey <dir>`'
    )
  }
}

/** Checks what one key means for another: the key pair, bounds, ports. */
export function checkTogether(raw: RawConfig, report: Report): void {
  checkKeys(raw, report)
  if (raw.minroundtime > raw.roundtime) {
    report(
      'wrong-value',
      'minroundtime',
      `minroundtime (${raw.minroundtime}) is above roundtime (${raw.roundtime}): lower it`
    )
  }
  if (raw.pubmaxsize > raw.ledgerbytes) {
    report(
      'wrong-value',
      'pubmaxsize',
      `pubmaxsize (${raw.pubmaxsize}) is above ledgerbytes (${raw.ledgerbytes}), so that such an input fits in no ledger: lower it`
    )
  }
  if (raw.useroutputbytes > raw.outputbytes) {
    report(
      'wrong-value',
      'useroutputbytes',
      `useroutputbytes (${raw.useroutputbytes}) is above outputbytes (${raw.outputbytes}): lower it`
    )
  }
  if ((raw.pubcert === null) !== (raw.pubkeyfile === null)) {
    const missing = raw.pubcert === null ? 'pubcert' : 'pubkeyfile'
    report('missing-key', missing, `${missing} is missing: wss needs pubcert and pubkeyfile, plain ws neither`)
  }
  const taken = new Map<number, string>()
  for (const key of ['peerport', 'tcpport', 'pubport'] as const) {
    const port = raw[key]
    if (port === null) continue
    const other = taken.get(port)
    if (other !== undefined) report('wrong-value', key, `${key} and ${other} are both ${port}: give each its own port`)
    taken.set(port, key)
  }
}
