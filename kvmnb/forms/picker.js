// Sends a file that a person picks to the kernel, in pieces: a server of Jupyter takes no message over 10 MiB.
const PIECE = 1 << 20;

// JupyterLab's own style of a button would win over the attribute "hidden".
const show = (button, shown) => { button.style.display = shown ? "" : "none"; };

function render({ model, el }) {
  const id = `kvmnb-picker-${Math.random().toString(36).slice(2)}`;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const stop = document.createElement("button");
  const said = document.createElement("span");
  label.htmlFor = input.id = id;
  label.textContent = model.get("label");
  input.type = "file";
  input.setAttribute("aria-describedby", `${id}-said`);
  stop.textContent = "Stop sending";
  stop.className = "jupyter-button";
  // As the fields below it: their labels have this width.
  label.style.cssText = "display: inline-block; width: 164px; text-align: right; margin-right: 4px";
  said.style.marginLeft = "8px";
  el.style.cssText = "color: var(--jp-content-font-color1, #212121); margin: 4px 2px";
  show(stop, false);
  said.id = `${id}-said`;
  said.setAttribute("role", "status");
  el.classList.add("kvmnb-picker");
  el.append(label, input, stop, said);

  let file = null;
  let ticket = "";

  const enable = () => { input.disabled = model.get("disabled") || file !== null; };
  const say = () => { said.textContent = model.get("said"); };
  const end = () => { file = null; show(stop, false); input.value = ""; enable(); };

  async function piece(at) {
    const now = ticket;
    let content;
    try {
      content = await file.slice(at, at + PIECE).arrayBuffer();
    } catch (error) {
      // It was moved or changed since it was picked.
      if (now === ticket && file !== null) {
        model.send({ kind: "stop", ticket, why: `the browser cannot read it: ${error.message}` });
      }
      end();
      return;
    }
    if (now === ticket && file !== null) {
      model.send({ kind: "piece", ticket, at }, undefined, [content]);
    }
  }

  input.addEventListener("change", () => {
    if (input.files.length !== 1) return;
    file = input.files[0];
    ticket = Math.random().toString(36).slice(2);
    show(stop, true);
    enable();
    model.send({ kind: "begin", ticket, name: file.name, size: file.size });
  });
  stop.addEventListener("click", () => {
    model.send({ kind: "stop", ticket, why: "" });
    end();
  });
  const hear = (told) => {
    if (told.ticket !== ticket || file === null) return;
    if (told.next === undefined) end();
    else piece(told.next);
  };
  model.on("msg:custom", hear);
  model.on("change:disabled", enable);
  model.on("change:said", say);
  enable();
  say();
  return () => {
    if (file !== null) model.send({ kind: "stop", ticket, why: "its page was closed" });
    model.off("msg:custom", hear);
    model.off("change:disabled", enable);
    model.off("change:said", say);
  };
}

export default { render };
