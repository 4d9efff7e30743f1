import * as v from 'valibot'
import { CONFIG_KEY_NAMES, CONFIG_KEYS, type ConfigKey, nearestWord } from '../config/index.js'
import type { ConfigNumber, ConfigWish } from '../consensus/types.js'
import { CliError, usageError } from './errors.js'

/** The agreed numbers by their names in hp.cfg, in the order of the documentation. */
export const AGREED_KEYS: Record<ConfigNumber, ConfigKey> = {
  roundtimeMs: 'roundtime',
  minRoundtimeMs: 'minroundtime',
  threshold: 'threshold',
  ledgerInputBytes: 'ledgerbytes',
  userOutputBytes: 'useroutputbytes',
  ledgerOutputBytes: 'outputbytes',
  nplBytes: 'nplbytes',
  execTimeoutMs: 'exectimeout'
}

export const AGREED_NUMBERS = Object.keys(AGREED_KEYS) as ConfigNumber[]

/** Names that hp.cfg has and that are no agreed number, with what to do instead. */
function otherWay(name: string): string | null {
  if (name === 'unl') return 'unl is changed by `hp-p2p unl add` and `hp-p2p unl remove`'
  if (name === 'contractid') return 'contractid names the network for good: another one is another network'
  const isKnown = CONFIG_KEY_NAMES.some((key) => key === name)
  return isKnown ? `${name} is of this node alone: set it in cfg/hp.cfg and start the node again` : null
}

/** The wish for a number of the config. Throws CliError with what was wrong and what is right. */
export function readSetWish(name: string, text: string): ConfigWish {
  const number = AGREED_NUMBERS.find((candidate) => AGREED_KEYS[candidate] === name.toLowerCase())
  if (number === undefined) {
    const other = otherWay(name.toLowerCase())
    if (other !== null) throw new CliError(other)
    const names = Object.values(AGREED_KEYS)
    const near = nearestWord(name, names)
    throw usageError(
      `unknown name "${name}": ${near === null ? `one of ${names.join(', ')}` : `did you mean "${near}"?`}`
    )
  }
  const key = AGREED_KEYS[number]
  const parsed = v.safeParse(CONFIG_KEYS[key].schema, text)
  if (!parsed.success) throw usageError(`${key} ${parsed.issues[0].message}`)
  return { kind: 'set', name: number, value: parsed.output as number }
}
