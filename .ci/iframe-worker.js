// Browsers start no worker from a file; there, search runs in a hidden frame of the page. Messages
// are copied and come later, as a worker's do.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.started = new Promise((resolve) => {
        this.frame.addEventListener("load", () => {
          const inside = this.frame.contentWindow;
          const script = inside.document.createElement("script");
          inside.postMessage = (data) => setTimeout(() => this.onmessage?.({ data }));
          script.addEventListener("load", () => resolve(inside));
          script.src = url;
          inside.document.head.append(script);
        }, { once: true });
      });
      document.documentElement.append(this.frame);
    }
    postMessage(data) {
      const sent = structuredClone(data);
      this.started.then((inside) => inside.onmessage({ data: sent }));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
