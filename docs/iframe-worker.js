// Search in a page that is opened from the disk. Browsers refuse a worker there, so the worker's
// script is run in a hidden frame, which is spoken to in the same way.
if (location.protocol === "file:") {
  // the theme's worker asks for the name IFrameWorker, to know where its languages lie
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      const load = (address) =>
        new Promise((done, failed) => {
          const script = this.inside.document.createElement("script");
          script.onload = done;
          script.onerror = failed;
          script.src = address;
          this.inside.document.body.append(script);
        });
      this.inside.importScripts = (...addresses) =>
        addresses.reduce((before, address) => before.then(() => load(address)), Promise.resolve());
      this.inside.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) }));
      this.ready = load(url);
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
