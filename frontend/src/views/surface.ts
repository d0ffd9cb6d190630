/** A function of the plane as a landscape that can be turned, by dragging, by sliders, or by the arrow keys. */

import type * as Three from "three";

import { extent, h, memory, people, shade, strip, widthOf } from "./common";
import type { Axis, Data, Host, SurfaceView } from "./types";

interface State {
  box: HTMLElement;
  words: HTMLElement;
  legend: HTMLElement;
  turn: HTMLInputElement;
  tilt: HTMLInputElement;
  scene: Scene | null;
  loading: boolean;
  broken: boolean;
  view: SurfaceView;
  width: number;
}

const HEIGHT = 0.6; // of the landscape, where its sides are 2 long

export function draw(element: HTMLElement, view: SurfaceView, _host: Host): void {
  const state = memory<State>(element, () => make(element, view));
  state.view = view;
  state.width = widthOf(element);
  const found = extent(...view.values) ?? [0, 1];
  const legend = strip(shade("sequential", ...found), "sequential");
  state.legend.replaceWith(legend);
  state.legend = legend;
  if (state.scene) return state.scene.update(view, state.width);
  if (state.loading || state.broken) return;
  state.loading = true;
  void import("three")
    .then((three) => {
      state.scene = new Scene(three, state);
      state.scene.update(state.view, state.width);
    })
    .catch(() => {
      state.broken = true;
      state.words.textContent = "This browser cannot draw in depth (WebGL is off). The numbers are under “Data”.";
    })
    .finally(() => (state.loading = false));
}

function make(element: HTMLElement, view: SurfaceView): State {
  const range = (label: string, low: number, high: number, value: number): HTMLInputElement =>
    h("input", {
      type: "range",
      min: String(low),
      max: String(high),
      step: "1",
      value: String(value),
      "aria-label": label,
    });
  const turn = range("turn, degrees", -180, 180, 35);
  const tilt = range("tilt, degrees", 5, 89, 32);
  const words = h("p", { class: "view-note" });
  const box = h("div", {
    class: "depth",
    tabIndex: 0,
    role: "group",
    "aria-roledescription": "landscape",
    "aria-label": `${view.title || "Surface"}. Arrows turn it.`,
  });
  const legend = h("div");
  element.append(
    box,
    h("div", { class: "turning" }, h("label", {}, "turn", turn), h("label", {}, "tilt", tilt)),
    legend,
    words,
  );
  const state: State = { box, words, legend, turn, tilt, scene: null, loading: false, broken: false, view, width: 0 };
  const nudge = (input: HTMLInputElement, by: number): void => {
    let value = Number(input.value) + by;
    if (input === turn) value = ((value + 540) % 360) - 180;
    input.value = String(value);
    state.scene?.render();
  };
  for (const input of [turn, tilt]) input.addEventListener("input", () => state.scene?.render());
  box.addEventListener("keydown", (event) => {
    const moves: Record<string, [HTMLInputElement, number]> = {
      ArrowRight: [turn, 6],
      ArrowLeft: [turn, -6],
      ArrowUp: [tilt, 4],
      ArrowDown: [tilt, -4],
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    nudge(...move);
  });
  let last: [number, number] | null = null;
  box.addEventListener("pointerdown", (event) => {
    last = [event.clientX, event.clientY];
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    if (!last) return;
    nudge(turn, (event.clientX - last[0]) * 0.5);
    if (event.pointerType !== "touch") nudge(tilt, (event.clientY - last[1]) * 0.4); // a finger that moves up scrolls the page
    last = [event.clientX, event.clientY];
  });
  for (const type of ["pointerup", "pointercancel"]) box.addEventListener(type, () => (last = null));
  return state;
}

class Scene {
  private readonly renderer: Three.WebGLRenderer;
  private readonly scene: Three.Scene;
  private readonly camera: Three.PerspectiveCamera;
  private readonly names: HTMLElement[];
  private mesh: Three.Mesh | null = null;
  private extras: Three.Object3D[] = [];
  private size: [number, number] = [1, 1];
  private pending = 0;

  constructor(
    private readonly three: typeof Three,
    private readonly state: State,
  ) {
    this.renderer = new three.WebGLRenderer({ antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio || 1, 2));
    this.scene = new three.Scene();
    this.camera = new three.PerspectiveCamera(32, 1, 0.1, 30);
    this.scene.add(new three.AmbientLight(0xffffff, 1.7));
    const sun = new three.DirectionalLight(0xffffff, 1.6);
    sun.position.set(-2, 4, 1.5);
    this.scene.add(sun);
    this.names = Array.from({ length: 6 }, () => h("span", { class: "depth-name", "aria-hidden": "true" }));
    this.renderer.domElement.setAttribute("aria-hidden", "true");
    state.box.replaceChildren(this.renderer.domElement, ...this.names);
  }

  update(view: SurfaceView, width: number): void {
    const { three } = this;
    const height = Math.round(Math.min(420, Math.max(240, width * 0.62)));
    if (this.size[0] !== width || this.size[1] !== height) {
      this.size = [width, height];
      this.renderer.setSize(width, height);
      this.camera.aspect = width / height;
      this.camera.updateProjectionMatrix();
    }
    for (const extra of this.extras) this.drop(extra);
    this.extras = [];
    const [rows, columns] = [view.values.length, view.values[0]?.length ?? 0];
    if (rows < 2 || columns < 2) return;
    const [low, high] = extent(...view.values) ?? [0, 1];
    const scale = shade("sequential", low, high);
    const up = (z: number): number => (Math.min(1, Math.max(0, (z - low) / (high - low || 1))) - 0.5) * 2 * HEIGHT;
    const across = (value: number, axis: Axis, count: number): number =>
      ((value - (axis.low ?? 0)) / ((axis.high ?? count - 1) - (axis.low ?? 0) || 1)) * 2 - 1;

    let geometry = this.mesh?.geometry as Three.PlaneGeometry | undefined;
    if (
      !geometry ||
      geometry.parameters.widthSegments !== columns - 1 ||
      geometry.parameters.heightSegments !== rows - 1
    ) {
      if (this.mesh) this.drop(this.mesh);
      geometry = new three.PlaneGeometry(2, 2, columns - 1, rows - 1);
      geometry.setAttribute("color", new three.BufferAttribute(new Float32Array(rows * columns * 3), 3));
      this.mesh = new three.Mesh(
        geometry,
        new three.MeshLambertMaterial({ vertexColors: true, side: three.DoubleSide }),
      );
      this.scene.add(this.mesh);
    }
    const position = geometry.getAttribute("position");
    const colors = geometry.getAttribute("color");
    const paint = new three.Color();
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        const z = view.values[i]![j] ?? low;
        const at = i * columns + j;
        // The first row lies in front; what is greater in y lies further back.
        position.setXYZ(at, (j / (columns - 1)) * 2 - 1, up(z), 1 - (i / (rows - 1)) * 2);
        const [red, green, blue] = scale.at(z);
        paint.setRGB(red / 255, green / 255, blue / 255, three.SRGBColorSpace);
        colors.setXYZ(at, paint.r, paint.g, paint.b);
      }
    }
    position.needsUpdate = true;
    colors.needsUpdate = true;
    geometry.computeVertexNormals();

    const floor = -HEIGHT;
    const corners = [[-1, 1], [1, 1], [1, -1], [-1, -1], [-1, 1]].map(([x, z]) => new three.Vector3(x, floor, z)); // prettier-ignore
    const frame = new three.Line(
      new three.BufferGeometry().setFromPoints(corners),
      new three.LineBasicMaterial({ color: 0x8a8f98 }),
    );
    this.add(frame);
    const path = (view.path ?? []).filter(
      (point) => point.length >= 3 && point.every((value) => value !== null && Number.isFinite(value)),
    );
    if (path.length > 0) {
      const spots = path.map(
        ([x, y, z]) => new three.Vector3(across(x!, view.x, columns), up(z!) + 0.02, -across(y!, view.y, rows)),
      );
      const inside = spots.filter((spot) => Math.abs(spot.x) <= 1.001 && Math.abs(spot.z) <= 1.001);
      const material = new three.MeshBasicMaterial({ color: 0xe8541a });
      if (inside.length > 1) {
        const tube = new three.TubeGeometry(
          new three.CatmullRomCurve3(inside, false, "catmullrom", 0),
          Math.min(600, inside.length * 6),
          0.014,
          6,
        );
        this.add(new three.Mesh(tube, material));
      }
      for (const spot of inside.length > 60 ? inside.slice(-1) : inside)
        this.add(this.ball(spot, spot === inside.at(-1) ? 0.045 : 0.024, material));
    }
    const ends = (axis: Axis, count: number): [string, string] => [
      people(axis.low ?? 0),
      people(axis.high ?? count - 1),
    ];
    const [x, y] = [ends(view.x, columns), ends(view.y, rows)];
    const words = [x[0], view.x.label || "x", x[1], y[0], view.y.label || "y", y[1]];
    words.forEach((word, i) => (this.names[i]!.textContent = word));
    this.render();
  }

  /** Draws once in the next frame of the screen; nothing runs while nothing moves. */
  render(): void {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      const [turn, tilt] = [Number(this.state.turn.value), Number(this.state.tilt.value)].map(
        (degrees) => (degrees * Math.PI) / 180,
      ) as [number, number];
      const far = this.size[0] < 420 ? 5.1 : 4.5;
      this.camera.position.set(
        far * Math.cos(tilt) * Math.sin(turn),
        far * Math.sin(tilt),
        far * Math.cos(tilt) * Math.cos(turn),
      );
      this.camera.lookAt(0, -0.08, 0);
      this.renderer.render(this.scene, this.camera);
      // The axes' words stand at the two sides of the floor that are nearer.
      const front = Math.cos(turn) >= 0 ? 1 : -1;
      const side = Math.sin(turn) >= 0 ? 1 : -1;
      const spots: [number, number][] = [
        [-0.95, 1.16 * front], [0, 1.2 * front], [0.95, 1.16 * front],
        [1.16 * side, 0.95], [1.2 * side, 0], [1.16 * side, -0.95],
      ]; // prettier-ignore
      spots.forEach(([px, pz], i) => {
        const seen = new this.three.Vector3(px, -HEIGHT, pz).project(this.camera);
        const name = this.names[i]!;
        name.style.transform = `translate(-50%, -50%) translate(${((seen.x + 1) / 2) * this.size[0]}px, ${((1 - seen.y) / 2) * this.size[1]}px)`;
      });
    });
  }

  private ball(at: Three.Vector3, radius: number, material: Three.Material): Three.Mesh {
    const ball = new this.three.Mesh(new this.three.SphereGeometry(radius, 16, 12), material);
    ball.position.copy(at);
    return ball;
  }

  private add(object: Three.Object3D): void {
    this.extras.push(object);
    this.scene.add(object);
  }

  private drop(object: Three.Object3D): void {
    this.scene.remove(object);
    const mesh = object as Three.Mesh;
    mesh.geometry?.dispose();
    for (const material of [mesh.material].flat()) material?.dispose();
  }
}

export function data(view: SurfaceView): Data {
  return {
    columns: ["row", ...(view.values[0] ?? []).map((_, j) => String(j))],
    rows: view.values.map((row, i) => [i, ...row]),
  };
}
