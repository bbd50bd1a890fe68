// The camera, live: one picture at a time goes to the service, and the next one only after its answer.

import { choose, frame } from "./look.js";
import { say } from "./requests.js";

const WIDEST = 640;
const QUALITY = 0.85;
const RECENT = 10;
const PAUSE = 110; // nine pictures a second are fluent, and leave others their turn
const WHY = { NotAllowedError: "camera-refused" };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const byId = (id) => document.getElementById(`camera-${id}`);

export class Camera {
  constructor(bundle, keep) {
    Object.assign(this, { bundle, section: document.getElementById("camera"), video: byId("video"), chosen: "0" });
    byId("start").addEventListener("click", () => this.start());
    byId("stop").addEventListener("click", () => this.end());
    byId("take").addEventListener("click", async () => keep([await this.picture(say("taken"))]));
    this.section.addEventListener("change", ({ target }) => (this.chosen = target.value));
    this.section.addEventListener("htmx:response:error", ({ detail }) => (this.failed = detail.ctx.response));
    this.section.addEventListener("htmx:error", () => (this.failed = { status: 0 }));
  }

  async start() {
    if (this.stream) return;
    if (!navigator.mediaDevices) return this.tell(say("camera-insecure"));
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDEST }, facingMode: "user" } });
    } catch (problem) {
      return this.tell(say(WHY[problem.name] ?? "camera-absent"));
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    frame(this.section, this.video.videoWidth, this.video.videoHeight);
    this.section.hidden = false;
    byId("start").hidden = true;
    document.getElementById("drop").classList.add("small");
    byId("stop").focus();
    this.tell(say("camera-on"));
    this.watch(this.stream);
  }

  async watch(stream) {
    const ends = [];
    while (this.stream === stream) {
      const [next, start] = [sleep(PAUSE), performance.now()];
      const body = new FormData();
      body.append("photo", await this.picture("live.jpg"));
      for (const [name, value] of Object.entries({ live: "1", bundle: this.bundle() })) body.append(name, value);
      this.failed = null;
      await htmx.ajax("POST", "/parts/look", { source: this.section, target: this.section.querySelector(".panel"), body });
      if (this.failed) {
        const wait = Number(this.failed.headers?.get("Retry-After"));
        if (!wait) return this.end(this.section.querySelector(".panel").textContent);
        await sleep(1000 * wait);
        continue;
      }
      ends.push(performance.now());
      if (ends.length > RECENT) ends.shift();
      if (!choose(this.section, this.chosen)) this.chosen = "0";
      this.showRate(ends, performance.now() - start);
      await next;
    }
  }

  showRate(ends, ms) {
    const rate = ends.length > 1 ? (1000 * (ends.length - 1)) / (ends.at(-1) - ends[0]) : 0;
    byId("rate").textContent = say("camera-rate", { rate: rate.toFixed(1), ms: Math.round(ms) });
  }

  picture(name) {
    const { videoWidth, videoHeight } = this.video;
    const canvas = document.createElement("canvas");
    const scale = Math.min(1, WIDEST / videoWidth);
    [canvas.width, canvas.height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    const type = "image/jpeg";
    return new Promise((resolve) => canvas.toBlob((blob) => resolve(new File([blob], name, { type })), type, QUALITY));
  }

  tell(sentence) {
    document.getElementById("status").textContent = sentence;
  }

  end(sentence = say("camera-off")) {
    this.stop();
    this.section.hidden = true;
    byId("start").hidden = false;
    byId("start").focus();
    this.tell(sentence);
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }
}
