// A small file system that can be filled, for tests of a full disk.

import { spawnSync } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { without } from "./tool.js";

const PIECE = Buffer.alloc(4_096);

/** Why tests with a small disk are not run, or false. */
export const withoutSmallDisk = without("mount") || (process.getuid() !== 0 && "not run: only root can mount a small file system");

/** A file system in memory, of this number of MiB. */
export class SmallDisk {
  folder;

  static async open(mebibytes) {
    const disk = new SmallDisk();
    disk.folder = await mkdtemp(join(tmpdir(), "signalhub-small-disk-"));
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", disk.folder], { encoding: "utf8" });
    if (status !== 0) throw new Error(`a small file system cannot be mounted: ${stderr}`);
    return disk;
  }

  get #filler() {
    return join(this.folder, "filler");
  }

  /** Takes all room that is left. */
  fill() {
    const file = openSync(this.#filler, "a");
    try {
      for (;;) writeSync(file, PIECE);
    } catch (error) {
      if (error.code !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Gives the room back. */
  free() {
    rmSync(this.#filler, { force: true });
  }

  async close() {
    spawnSync("umount", ["--lazy", this.folder]);
    await rm(this.folder, { recursive: true, force: true });
  }
}
