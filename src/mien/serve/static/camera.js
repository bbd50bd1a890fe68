// The camera, live: one picture at a time goes to the service, and the next one only after its answer.

import { see } from "./asking.js";
import { only } from "./dom.js";
import { Overlay } from "./draw.js";
import { Faces } from "./faces.js";
import { framed } from "./photo.js";
import { number, reason, say } from "./words.js";

const WIDEST = 640;
const QUALITY = 0.85;
const RECENT = 10;
const PAUSE = 110; // nine pictures a second are fluent, and leave others their turn
const WHY = { NotAllowedError: "refused", NotFoundError: "absent", OverconstrainedError: "absent" };

export class Camera {
  constructor({ wish, tell, take, known }) {
    const part = (id) => document.getElementById(`camera-${id}`);
    const section = document.getElementById("camera");
    Object.assign(this, { wish, tell, take, section, video: part("video"), rate: part("rate"), starter: part("start") });
    this.stopper = part("stop");
    this.panel = section.querySelector(".panel");
    this.overlay = new Overlay(section.querySelector("canvas"), { mirrored: true });
    this.faces = new Faces(this.panel, say("camera.title"), { choose: (i) => (this.chosen = i), known });
    this.chosen = 0;
    this.starter.addEventListener("click", () => this.start());
    this.stopper.addEventListener("click", () => this.end());
    part("take").addEventListener("click", () => this.keep());
  }

  async start() {
    if (this.stream) return;
    if (!navigator.mediaDevices) return this.tell(say("camera.insecure"));
    this.going = new AbortController();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDEST }, facingMode: "user" } });
    } catch (problem) {
      return this.tell(say(`camera.${WHY[problem.name] ?? "absent"}`));
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    framed(this.video.parentElement, { width: this.video.videoWidth, height: this.video.videoHeight });
    this.section.hidden = false;
    this.starter.hidden = true;
    document.getElementById("drop").classList.add("small");
    this.stopper.focus();
    this.tell(say("camera.on"));
    this.watch(this.going.signal);
  }

  async watch(signal) {
    const ends = [];
    while (!signal.aborted) {
      const next = sleep(PAUSE);
      const frame = await this.frame();
      try {
        const { seen, ms } = await see(frame, this.wish, signal);
        if (signal.aborted) return;
        ends.push(performance.now());
        if (ends.length > RECENT) ends.shift();
        this.show(seen, ms, ends);
        await next;
      } catch (problem) {
        if (signal.aborted) return;
        if (!problem.wait) return this.end(problem.message);
        only(this.rate, problem.message);
        await sleep(1000 * problem.wait);
      }
    }
  }

  show(seen, ms, ends) {
    if (seen.rejected) seen = { ...seen, width: this.video.videoWidth, height: this.video.videoHeight, faces: [] };
    const fps = ends.length > 1 ? (1000 * (ends.length - 1)) / (ends.at(-1) - ends[0]) : 0;
    only(this.rate, say("camera.rate", { fps: number(fps, 1), ms: number(ms) }));
    if (this.chosen >= seen.faces.length) this.chosen = 0;
    this.overlay.show(seen, this.chosen);
    this.faces.show(seen, this.chosen);
    if (seen.rejected) only(this.panel, reason(seen.rejected));
  }

  frame() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = document.createElement("canvas");
    const scale = Math.min(1, WIDEST / width);
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  }

  async keep() {
    this.take([new File([await this.frame()], `${say("photo.taken")}.jpg`, { type: "image/jpeg" })]);
  }

  end(sentence = say("camera.off")) {
    this.stop();
    this.section.hidden = true;
    this.starter.hidden = false;
    this.starter.focus();
    this.tell(sentence);
  }

  stop() {
    this.going?.abort();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
