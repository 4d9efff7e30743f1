import { InvalidArgumentError } from 'commander'
import { isContractDir } from '../config/index.js'
import { CliError } from './errors.js'

/** A parser of whole numbers for commander; a mistake is one line that names the flag. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
    return value
  }
}

export function seconds(text: string): number {
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN
  if (!(value > 0)) throw new InvalidArgumentError('It must be a number of seconds above 0.')
  return value
}

export const portNumber = wholeNumber(1, 65535)

/** As in hp.cfg, 0 opens no port. */
export const portOrOff = wholeNumber(0, 65535)

/** An option that may be given again and again. */
export function collect(text: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), text]
}

export async function requireContractDir(dir: string): Promise<void> {
  if (!(await isContractDir(dir))) {
    throw new CliError(`${dir} is not a contract directory (it has no cfg/hp.cfg): \`hp-p2p new\` makes one`)
  }
}
