export {
  type CreateOptions,
  createContractDir,
  ensureContractDirs,
  isContractDir,
  type RekeyResult,
  rekeyContractDir,
  writeConfig
} from './create.js'
export { ConfigError, type ConfigErrorCode, type ConfigProblem } from './errors.js'
export { createConfigSchema } from './json-schema.js'
export {
  CONFIG_KEY_GROUPS,
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  type ConfigKey,
  DEFAULT_CONTRACT_ID,
  LOG_LEVELS
} from './keys.js'
export { type LoadOptions, loadConfig } from './load.js'
export { nearestWord } from './nearest.js'
export { type ContractPaths, contractPaths } from './paths.js'
export { checkPorts, tryPort } from './ports.js'
export { parseConfigText, readConfigText } from './read.js'
export { peerToMultiaddr } from './specs.js'
export type {
  ContractConfig,
  ContractLimitsConfig,
  LogLevel,
  NetworkConfig,
  NodeConfig,
  SandboxConfig,
  UserLimitsConfig,
  UsersConfig
} from './types.js'
