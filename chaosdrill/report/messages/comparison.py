"""Messages of the page of a comparison."""

MESSAGES = {
    "compare.title.two": ("{experiment}: a candidate beside a baseline", "{experiment}: 実行結果の比較"),
    "compare.title.many": ("{experiment}: {n} runs beside each other", "{experiment}: {n} 回の実行の比較"),
    "compare.title.groups": (
        "{experiment}: {candidates} candidates beside {baselines} baselines",
        "{experiment}: 比較対象 {candidates} 回と基準 {baselines} 回の比較",
    ),
    "compare.title.none": ("Runs that cannot be compared", "比較できない実行"),
    "compare.footer": (
        "Written by chaosdrill {version} from the summaries of the runs. This page holds everything that it shows "
        "and "
        "asks no other computer for anything; it forbids itself to. All times are UTC, with the reader's local time "
        "beside them.",
        "chaosdrill {version} が各実行のサマリから作成しました。本ページは単体で完結し、外部への通信を一切行いません "
        "(Content-Security-Policy で禁止)。時刻はすべて UTC です (現地時刻を併記)。",
    ),
    "compare.runs": ("Runs", "実行"),
    "compare.run": ("Run", "実行 ID"),
    "compare.runs-each": ("Each run", "実行ごとの一覧"),
    "compare.column": ("Column", "列見出し"),
    "compare.began-at": ("Began", "開始"),
    "compare.significance": ("Beside the uncertainty", "不確かさとの比較"),
    "compare.verdict": ("Verdict", "判定"),
    "compare.side": ("Side", "区分"),
    "compare.baseline": ("Baseline", "基準"),
    "compare.candidate": ("Candidate", "比較対象"),
    "compare.left-out": ("Left out", "対象外"),
    "compare.why": ("Why", "理由"),
    "compare.cannot": ("They cannot be compared:", "比較できません:"),
    "compare.trend": ("Over time", "推移"),
    "compare.trend-caption": (
        "Each bar of the upper rows is one movement: it begins when the movement does and ends with sustained service; "
        "its parts are the phases that come one after the other. The marks are the clients' recovery time of that "
        "movement, with its uncertainty: a cross where the run failed, red where it is beyond its objective. Each row "
        "beneath is one more objective: the budget of a phase (left the failover, right and paler the failback), or "
        "what is of the whole run. Every dashed line is an objective, of each run its own, the newest run's written at "
        "its end; one that is far from every value is not drawn: an arrow at the end of the row points to it. A red "
        "cross is beyond its objective. Drag to zoom in, double-click to see all.",
        "上段の棒は 1 回の切替を表し、切替開始から安定稼働までを連続するフェーズで区分しています。印はその切替の"
        "クライアント復旧時間 (不確かさ付き、x 印は不合格の実行、赤は目標値からの逸脱) です。下段は目標値ごとの推移で、"
        "フェーズの時間枠 (左が切替、右の淡色が切戻し) と実行全体の目標値を示します。破線は各実行の目標値 "
        "(右端の数値は最新の実行の目標値)、赤い x 印は目標値からの逸脱です。測定値から大きく離れた目標値は線を引かず、"
        "右端の矢印で示します。"
        "ドラッグで拡大、ダブルクリックで全体表示。",
    ),
    "compare.trend-alternative": (
        "The phases of each movement, stacked, for every run in turn, with the recovery time and its objective; below "
        "them each budget of a phase and each other objective with what the runs reached. The table of measurements "
        "holds the same.",
        "各実行の切替フェーズの積み上げ、復旧時間と目標値、フェーズの時間枠とその他の目標値の推移。"
        "同じ内容は測定値の表にあります。",
    ),
    "compare.trend-none": (
        "Nothing was moved in these runs, nor measured that has an objective.",
        "これらの実行では切替は行われておらず、目標値に対する測定値もありません。",
    ),
    "compare.recovery": ("Recovery time", "復旧時間"),
    "compare.objective": ("Objective", "目標値"),
    "compare.beyond-objective": ("Beyond its objective", "目標値からの逸脱"),
    "compare.budget": ("budget {seconds} s", "時間枠 {seconds} 秒"),
    "compare.seconds": ("seconds", "秒"),
    "compare.claims": ("What can be claimed", "比較結果"),
    "compare.claims-about": (
        "{looked} measurements were looked at. Where nothing differs, at most {alpha} of such comparisons claim "
        "anything. A claim says that the groups differ, not why.",
        "{looked} 項目を比較しました。差がない場合に何らかの差ありと判定する割合は {alpha} 以下です。"
        "判定は両群に差があることを示すもので、原因を示すものではありません。",
    ),
    "compare.no-claims": ("Nothing can be claimed.", "差があると判定できる項目はありません。"),
    "compare.one-against-one": (
        "One run against one: a change is what was measured; of the next run nothing follows from it.",
        "1 回同士の比較です。差は測定された事実であり、次回以降の結果を示すものではありません。",
    ),
    "compare.flips": ("What flipped", "結果の変化"),
    "compare.no-flips": ("No check of the hypothesis flipped.", "定常状態仮説の結果に変化はありません。"),
    "compare.flip": ("{probe}, {when}: {before}, then {after}", "{probe} ({when}): {before}から{after}に変化"),
    "compare.flipped": ("flipped", "変化"),
    "compare.matrix": ("Hypothesis", "定常状態仮説"),
    "compare.matrix-about": (
        "Each probe of the steady state in each run, before, during and after the method: ✓ met, ✗ missed, ? not "
        "known, - not read; with the share of the samples during the method that were met. A framed cell flipped "
        "against the run before. Point at a cell for what was read.",
        "定常状態の各プローブの実行ごとの結果 (実施前・実施中・実施後)。✓ 達成、✗ 未達、? 判定不能、- 未取得。"
        "実施中は許容値内だったサンプルの割合です。枠付きのセルは直前の実行から結果が変化しています。"
        "セルにカーソルを合わせると値を表示します。",
    ),
    "compare.when": ("When", "時期"),
    "compare.measured": ("Measurements", "測定値"),
    "compare.figure": ("Figure", "項目"),
    "compare.change": ("Change", "差"),
    "compare.beyond": ("more than both uncertainties", "両者の不確かさを超える差"),
    "compare.interval": ("By scatter (95 %)", "ばらつきによる 95 % 区間"),
    "compare.effect": ("Effect", "効果量"),
    "compare.answer": ("Answer", "判定"),
    "compare.median": ("Median", "中央値"),
    "compare.range": ("Range", "範囲"),
    "compare.in": ("in {n} of {of}", "{of} 回中 {n} 回"),
    "compare.newest": (
        "The newest {n} of {of} runs have a column.",
        "全 {of} 回中、新しい {n} 回を列に表示しています。",
    ),
    "compare.not-measured": ("not measured", "未測定"),
    "compare.not-the-same": ("Not the same", "条件の違い"),
    "compare.all-the-same": (
        "Experiment, topology, versions and variables were the same.",
        "実験定義、トポロジー、バージョン、変数はすべて同一です。",
    ),
    "compare.what": ("What", "項目"),
    "compare.methods": ("How it was compared", "比較方法"),
    "compare.methods-groups": (
        "A claim rests on the rank test of Mann and Whitney, exact also where values are equal, corrected after Holm "
        "for all measurements; the medians must also differ by more than the runs' own uncertainty. The interval is "
        "the percentile bootstrap's, for that measurement alone; the effect is Cliff's delta. Fewer than 4 runs a "
        "side claim nothing.",
        "判定は Mann-Whitney の順位検定 (同順位を含め正確分布) により、全項目について Holm 法で補正しています。"
        "さらに中央値の差が測定の不確かさを超えることを条件とします。区間はその項目単独のパーセンタイル・"
        "ブートストラップ、効果量は Cliff のデルタです。片側 4 回未満では判定しません。",
    ),
    "compare.methods-runs": (
        "Each run is shown as its summary has it. Runs of another experiment, target or scale, and those that proved "
        "nothing, are left out by name. A change is as uncertain as both figures together.",
        "各実行のサマリの値をそのまま表示しています。実験・対象環境・倍率が異なる実行、"
        "および何も立証していない実行は対象外です。"
        "差の不確かさは両者の不確かさの和です。",
    ),
    "circumstance-of.version": ("version of {name}", "{name} のバージョン"),
    "circumstance-of.variable": ("variable {name}", "変数 {name}"),
    "circumstance.experiment (sha256)": ("experiment (sha256)", "実験定義 (SHA-256)"),
    "circumstance.topology (sha256)": ("topology (sha256)", "トポロジー (SHA-256)"),
    "circumstance.objectives": ("objectives", "目標値"),
    "circumstance.target": ("target", "対象環境"),
    "circumstance.scale": ("scale", "倍率"),
    "circumstance.lenient lab": ("lenient lab", "緩和したラボ"),
    "circumstance.writes of the heartbeat": ("writes of the heartbeat", "ハートビートの書き込み"),
    "circumstance.git commit": ("git commit", "Git コミット"),
    "circumstance.host": ("host", "実行端末"),
    "answer.better": ("better", "改善"),
    "answer.worse": ("worse", "悪化"),
    "answer.different": ("different", "差あり"),
    "answer.no difference seen": ("no difference seen", "差は認められない"),
    "answer.too few runs to tell": ("too few runs to tell", "実行回数が不足"),
    "effect.negligible": ("negligible", "ごく小さい"),
    "effect.small": ("small", "小"),
    "effect.medium": ("medium", "中"),
    "effect.large": ("large", "大"),
    "check.met": ("met", "達成"),
    "check.missed": ("missed", "未達"),
    "check.not known": ("not known", "判定不能"),
    "check.not read": ("not read", "未取得"),
    "kind-of.latency": ("Latency of {of} {when}, {quantile}", "応答時間 {quantile} ({of}、{when})"),
    "kind-of.share": ("Samples met: {of}", "許容値内の割合: {of}"),
    "figure.recovery_time_s": ("Recovery time", "復旧時間"),
    "figure.lost_writes": ("Lost writes", "書込み消失"),
    "figure.lost_s": ("Seconds of writes lost", "書込み消失の時間幅"),
    "figure.availability_ratio": ("Availability", "稼働率"),
    "figure.client_outage_s": ("Longest outage of the load", "負荷側の最長停止時間"),
    "figure.duration_s": ("Duration of the drill", "訓練の所要時間"),
}
