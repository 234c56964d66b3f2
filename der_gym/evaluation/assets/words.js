// Words of all pages: [English, Japanese].

const WORDS = {
  dark: ["Dark", "暗く"],
  light: ["Light", "明るく"],
  foot: [
    "Made by der_gym. Simulated: what is stylised in market rules and devices is listed in the project's README. Drag across a chart to zoom, double-click to zoom out. Times are Japan standard time.",
    "der_gym が作成。シミュレーションの結果であり、市場ルールと機器のうち簡略化した点は README に記載。図は横にドラッグで拡大、ダブルクリックで戻る。時刻は日本標準時。",
  ],
  time: ["time of day", "時刻"],
  hour: ["hour of the day", "時刻 (時)"],
  kw: ["kW", "kW"],
  idle: ["idle", "idle"],
  all: ["whole group", "群全体"],
  others: ["others", "その他"],
  mid: ["spring, autumn", "春・秋"],
  summer: ["summer", "夏"],
  winter: ["winter", "冬"],
  "no command": ["no command", "指令なし"],
  "plan error": ["plan error", "基準値の誤差"],
  rebound: ["rebound", "反動 (リバウンド)"],
  "energy empty": ["energy empty", "エネルギー切れ"],
  saturation: ["saturation", "飽和"],
  unreachable: ["unreachable", "通信断"],
  delay: ["delay", "遅れ"],
  control: ["control", "制御"],
};
