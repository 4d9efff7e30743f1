import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { ContractError } from './errors.js'

/**
 * The absolute path of the contract's executable. A relative path is taken from the contract directory; a bare name
 * that is not there is looked up on `searchPath`. Throws ContractError 'binary-missing' or 'binary-not-executable'.
 */
export function resolveBinary(dir: string, binary: string, searchPath: string): string {
  if (binary === '' || binary.includes('\0')) {
    throw new ContractError('binary-missing', 'no contract binary is named: set "binary" in hp.cfg')
  }
  const own = isAbsolute(binary) ? binary : resolve(dir, binary)
  const candidates = [own]
  if (!binary.includes('/')) candidates.push(...searchPath.split(delimiter).map((folder) => join(folder, binary)))
  const found = candidates.find(isFile)
  if (found === undefined) {
    throw new ContractError(
      'binary-missing',
      `the contract binary ${own} does not exist or is not a file: set "binary"`
    )
  }
  try {
    accessSync(found, constants.X_OK)
  } catch {
    throw new ContractError(
      'binary-not-executable',
      `the contract binary ${found} is not executable: chmod +x ${found}`
    )
  }
  return found
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}
